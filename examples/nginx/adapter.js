// What nginx needs beside the gate; this file is appended to functions/edge-gate/gate.js. It makes the gate's
// event of a request, and of the gate's decision an answer or the file to open.

// Whatever a visitor calls a parameter or a cookie is only a name: objects have members of their own, and `__proto__`
// would change all of them.
const noFields = () => Object.create(null);

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
    querystring: noFields(),
    headers: noFields(),
    cookies: noFields(),
  };
  addPairs(request.querystring, question < 0 ? "" : target.slice(question + 1), "&");
  r.rawHeadersIn.forEach((header) => {
    const name = header[0].toLowerCase();
    if (name === "cookie") {
      // Spaces and tabs are all that may stand around a name.
      addPairs(request.cookies, header[1].replace(/^[ \t]+|[ \t]*(=)/g, "$1"), /[ \t]*;[ \t]*/);
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
    const isOpen = !isProtected(path, settings.prefixes);
    r.variables.lastseen_cache = isOpen ? "no-cache" : "no-store";
    r.variables.lastseen_embedding = isOpen ? "" : "same-origin";
    r.internalRedirect("@lastseen_file");
    return;
  }
  const location = decision.headers.location;
  Object.keys(decision.headers).forEach((name) => {
    if (name !== "location") {
      r.headersOut[name] = decision.headers[name].value;
    }
  });
  // With a redirect nginx sends a Location of its own, an empty one where it was told none, and browsers refuse two.
  if (location === undefined) {
    r.return(decision.statusCode);
  } else {
    r.return(decision.statusCode, location.value);
  }
}

export default { answer: answerNginx };
