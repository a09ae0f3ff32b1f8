// What nginx needs beside the gate; this file is appended to functions/edge-gate/gate.js. It makes the gate's
// event of a request, and of the gate's decision an answer or the file to open.

// CloudFront gives several values of one name as `multiValue`, and the first of them as `value`.
function add(fields, name, value) {
  const field = fields[name];
  if (field === undefined) {
    fields[name] = { value: value };
  } else {
    field.multiValue = field.multiValue || [{ value: field.value }];
    field.multiValue.push({ value: value });
  }
}

function addPairs(fields, text, separator) {
  text.split(separator).forEach((pair) => {
    const equals = pair.indexOf("=");
    if (pair !== "") {
      const name = equals < 0 ? pair : pair.slice(0, equals);
      add(fields, name, equals < 0 ? "" : pair.slice(equals + 1));
    }
  });
}

function toRequest(r) {
  // As it was sent: what nginx has decoded and merged is another spelling.
  const target = r.variables.request_uri;
  const question = target.indexOf("?");
  const request = {
    method: r.method,
    uri: question < 0 ? target : target.slice(0, question),
    querystring: {},
    headers: {},
    cookies: {},
  };
  addPairs(request.querystring, question < 0 ? "" : target.slice(question + 1), "&");
  r.rawHeadersIn.forEach((header) => {
    const name = header[0].toLowerCase();
    if (name === "cookie") {
      addPairs(request.cookies, header[1], /; */);
    } else {
      add(request.headers, name, header[1]);
    }
  });
  return request;
}

// Debian 12's nginx has none, and the gate says there when it failed.
if (globalThis.console === undefined) {
  globalThis.console = { log: (line) => ngx.log(ngx.ERR, line) };
}

async function answerNginx(r) {
  const decision = await handler({ request: toRequest(r) });
  if (decision.statusCode === undefined) {
    const path = decodeURIComponent(decision.uri);
    const settings = await cf.kvs().get();
    r.variables.lastseen_file = path;
    r.variables.lastseen_cache = isProtected(path, settings.prefixes) ? "no-store" : "no-cache";
    r.internalRedirect("@lastseen_file");
    return;
  }
  Object.keys(decision.headers).forEach((name) => {
    r.headersOut[name] = decision.headers[name].value;
  });
  r.return(decision.statusCode);
}

export default { answer: answerNginx };
