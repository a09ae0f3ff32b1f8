// The gate at the edge; see README.md. It decides as shared/src/gate.rs does, and lets nobody in
// when anything fails.
import cf from "cloudfront";
import crypto from "crypto";

const COOKIE = "__Host-lastseen";
const PARTS_FACTOR = 5;
const MOST_CANDIDATES = 4;
const MAX_TOKEN_LENGTH = 4096;
const MAX_ADDRESS_LENGTH = 2048;
const GRACE_SECONDS = 86400;
const KEY_BYTES = 32;
const INVALID = "invalid";

async function handler(event) {
  let settings = null;
  try {
    settings = await cf.kvs().get("gate", { format: "json" });
    return answer(event.request, settings);
  } catch (_error) {
    // No detail: it may quote the settings, and with them the keys.
    console.log("lastseen: the gate failed; nobody was let in");
    return gateOf(settings) === null ? unavailable() : redirect(settings.gate);
  }
}

function answer(request, settings) {
  const gate = gateOf(settings);
  if (gate === null) {
    return unavailable();
  }
  const path = normalise(request.uri);
  const back = path === null ? "" : wayBack(path, request.querystring);
  // The gate stays open, or nobody could come in; to the letter, where what is protected is read loosely.
  const isGate = path !== null && (gate === "" ? path === "/" : isWithin(path, gate));
  if (!isGate) {
    // Without whole settings nobody knows what is protected.
    if (!isWhole(settings)) {
      return toGate(settings.gate, back, "");
    }
    if (path !== null && isProtected(path, settings.prefixes)) {
      const refusal = check(request, settings, path, back);
      if (refusal !== null) {
        return refusal;
      }
    }
  }
  return path === null ? notFound() : open(request, path);
}

// The gate's folder, where settings name one that a redirect can lead to; else null.
function gateOf(settings) {
  const gate = settings ? settings.gate : null;
  const isAddress = typeof gate === "string" && /^\/(?!\/)[!-~]*$/.test(gate);
  const path = isAddress ? normalise(gate) : null;
  return path === null ? null : path.replace(/\/$/, "");
}

function isWhole(settings) {
  return (
    settings.audience &&
    typeof settings.audience === "string" &&
    settings.keys &&
    typeof settings.keys === "object" &&
    [settings.fresh, settings.lifetime].every((each) => Number.isSafeInteger(each) && each > 0) &&
    (settings.notBefore === undefined || Number.isSafeInteger(settings.notBefore)) &&
    Array.isArray(settings.prefixes) &&
    settings.prefixes.length > 0 &&
    settings.prefixes.every((prefix) => typeof prefix === "string" && prefix.charAt(0) === "/")
  );
}

// A path's one normal spelling, decoded, or null; as in shared/src/site_path.rs.
function normalise(uri) {
  if (uri.charAt(0) !== "/") {
    return null;
  }
  let decoded;
  try {
    decoded = decodeURIComponent(uri.replace(/%(?![0-9a-f]{2})/gi, "%25"));
  } catch (_error) {
    return null;
  }
  if (/[\\\x00-\x1f\x7f-\x9f]|%[0-9a-f]{2}/i.test(decoded)) {
    return null;
  }
  const segments = [];
  const given = decoded.split("/");
  for (let i = 0; i < given.length; i++) {
    if (given[i] === "..") {
      segments.pop();
    } else if (given[i] !== "" && given[i] !== ".") {
      segments.push(given[i]);
    }
  }
  const last = given[given.length - 1];
  const isDirectory = last === "" || last === "." || last === "..";
  return segments.length === 0 ? "/" : `/${segments.join("/")}${isDirectory ? "/" : ""}`;
}

// What some servers read alike, made alike. On both sides of a comparison: engines differ in case.
function fold(path) {
  const names = [];
  const segments = path.split("/");
  for (let i = 0; i < segments.length; i++) {
    if (segments[i] !== "") {
      const name = segments[i].split(";")[0];
      let end = name.length;
      while (end > 0 && (name.charAt(end - 1) === "." || name.charAt(end - 1) === " ")) {
        end--;
      }
      names.push(name.slice(0, end).toLowerCase());
    }
  }
  return names.join("/");
}

function isWithin(path, folder) {
  return folder === "" || path === folder || path.startsWith(`${folder}/`);
}

function isProtected(path, prefixes) {
  const folded = fold(path);
  return prefixes.some((prefix) => isWithin(folded, fold(prefix)));
}

// S3 would read a bare plus sign as a space, and open what was not decided about.
function toUrlPath(path) {
  return encodeURI(path).replace(/[?#;+]/g, encodeURIComponent);
}

function open(request, path) {
  const segments = path.split("/");
  // `.git/config`, `.env`
  if (segments.some((segment) => segment.charAt(0) === "." && segment !== ".well-known")) {
    return notFound();
  }
  const last = segments[segments.length - 1];
  if (last === "") {
    request.uri = `${toUrlPath(path)}index.html`;
  } else if (last.indexOf(".") < 0 && segments[1] !== ".well-known") {
    return redirect(`${toUrlPath(path)}/${toQuery(request.querystring)}`);
  } else {
    request.uri = toUrlPath(path);
  }
  return request;
}

// Decides about a request for a protected path: an answer that keeps it out, or null.
function check(request, settings, path, back) {
  if (isPrefetch(request.headers)) {
    return unavailable();
  }
  const claims = presented(request.cookies, settings);
  if (claims === null) {
    return toGate(settings.gate, back, "");
  }
  const now = Date.now() / 1000;
  const end = Math.min(claims.end, claims.start + settings.lifetime);
  if (claims === INVALID || now >= end + GRACE_SECONDS) {
    return toGate(settings.gate, back, INVALID);
  }
  const asked = claims.asked > claims.iat ? claims.asked : claims.iat;
  const fresh = settings.fresh * (namesPage(path) ? 1 : PARTS_FACTOR);
  const isConfirmed =
    now < claims.exp &&
    now < end &&
    Math.abs(now - asked) < fresh &&
    (settings.notBefore === undefined || asked > settings.notBefore);
  return isConfirmed ? null : redirect(`/api/session-refresh${back && `?${back}`}`);
}

// The claims of the one cookie that verifies; INVALID where none or several do; null without one.
function presented(cookies, settings) {
  const cookie = cookies[COOKIE];
  const all = cookie ? cookie.multiValue || [cookie] : [];
  let left = MOST_CANDIDATES;
  let result = null;
  for (let i = 0; i < all.length && left > 0; i++) {
    const trimmed = all[i].value.replace(/^[ \t]+|[ \t]+$/g, "");
    const value = trimmed.replace(/^"(.*)"$/, "$1");
    if (value !== "") {
      left--;
      const claims = verify(value, settings);
      if (claims !== null && result !== null && result !== INVALID) {
        return INVALID;
      }
      result = claims || result || INVALID;
    }
  }
  return result;
}

// The claims of a token that a key signed for this site, whatever its deadlines, else null.
function verify(token, settings) {
  if (token.length > MAX_TOKEN_LENGTH || !/^[\w-]+\.[\w-]+\.[\w-]{43}$/.test(token)) {
    return null;
  }
  const parts = token.split(".");
  const header = decode(parts[0]);
  if (header === null || header.alg !== "HS256" || typeof header.kid !== "string") {
    return null;
  }
  const secret = settings.keys[header.kid];
  const key = typeof secret === "string" ? Buffer.from(secret, "base64") : null;
  // Anybody can sign with an empty key.
  if (key === null || key.length !== KEY_BYTES) {
    return null;
  }
  const signed = crypto.createHmac("sha256", key).update(`${parts[0]}.${parts[1]}`);
  if (!isSame(signed.digest("base64url"), parts[2])) {
    return null;
  }
  const claims = decode(parts[1]);
  const isOurs =
    claims !== null &&
    claims.aud === settings.audience &&
    typeof claims.sid === "string" &&
    typeof claims.rid === "string" &&
    [claims.start, claims.iat, claims.exp, claims.end, claims.seen, claims.active].every(
      Number.isSafeInteger,
    ) &&
    (claims.asked === undefined || Number.isSafeInteger(claims.asked)) &&
    claims.active >= 0;
  return isOurs ? claims : null;
}

function decode(part) {
  try {
    const value = JSON.parse(Buffer.from(part, "base64url").toString());
    return typeof value === "object" ? value : null;
  } catch (_error) {
    return null;
  }
}

// In constant time.
function isSame(one, other) {
  let difference = one.length ^ other.length;
  for (let i = 0; i < one.length; i++) {
    difference |= one.charCodeAt(i) ^ other.charCodeAt(i);
  }
  return difference === 0;
}

// A browser fetches ahead what nobody may ever look at; as in shared/src/origin.rs.
function isPrefetch(headers) {
  return ["sec-purpose", "purpose", "x-purpose", "x-moz"].some((name) => {
    const header = headers[name];
    const all = header ? header.multiValue || [header] : [];
    return all.some((one) => /(^|,)\s*(prefetch|prerender|preview)/i.test(one.value));
  });
}

// As in shared/src/site_path.rs.
function namesPage(path) {
  const last = fold(path.slice(path.lastIndexOf("/") + 1));
  return last.indexOf(".") < 0 || /\.html?$/.test(last);
}

// `redirect=…`, or '' where the path is no page to come back to.
function wayBack(path, querystring) {
  const whole = toUrlPath(path) + toQuery(querystring);
  const isOurs = path === "/logout" || path === "/api" || path.startsWith("/api/");
  if (isOurs || whole.length > MAX_ADDRESS_LENGTH || whole.indexOf("\\") >= 0) {
    return "";
  }
  const percent = (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return `redirect=${encodeURIComponent(whole).replace(/[!'()~]/g, percent)}`;
}

// The event holds the parts of a query undecoded.
function toQuery(querystring) {
  const pairs = [];
  Object.keys(querystring).forEach((name) => {
    const parameter = querystring[name];
    (parameter.multiValue || [parameter]).forEach((one) => {
      pairs.push(`${name}=${one.value}`);
    });
  });
  const query = pairs.join("&").replace(/[^!-~]+|["<>]/g, encodeURIComponent);
  return query && `?${query.replace(/'/g, "%27")}`;
}

function toGate(gate, back, reason) {
  const query = [back, reason && `reason=${reason}`].filter((part) => part !== "").join("&");
  return redirect(gate + (query && `?${query}`) + (reason && `#${reason}`));
}

function redirect(location) {
  return withoutCopies(302, "Found", { location: { value: location } });
}

function notFound() {
  return withoutCopies(404, "Not Found", {});
}

function unavailable() {
  return withoutCopies(503, "Service Unavailable", {});
}

function withoutCopies(statusCode, statusDescription, headers) {
  headers["cache-control"] = { value: "no-store" };
  return { statusCode, statusDescription, headers };
}
