// What the API learns from the edge; see README.md. Whatever the viewer sent under these names is
// overwritten.
import cf from "cloudfront";

async function handler(event) {
  const request = event.request;
  try {
    const value = await cf.kvs().get("api");
    // A line of text ends with what no header may hold.
    const secret = value.trim();
    if (secret === "") {
      return unavailable();
    }
    request.headers["x-lastseen-edge"] = { value: secret };
    request.headers["x-forwarded-host"] = { value: request.headers.host.value };
    return request;
  } catch (_error) {
    // No detail: it may quote the secret.
    console.log("lastseen: the API's secret is not there; nothing was passed on");
    return unavailable();
  }
}

function unavailable() {
  return {
    statusCode: 503,
    statusDescription: "Service Unavailable",
    headers: { "cache-control": { value: "no-store" }, "retry-after": { value: "5" } },
  };
}
