// What the edge adds to the site's answers; see README.md. What is protected is kept by nobody, as its
// Cache-Control says, and shown by no page of another origin, not even by a sibling subdomain's.
function handler(event) {
  const response = event.response;
  const cache = response.headers["cache-control"];
  if (cache && cache.value.toLowerCase().indexOf("no-store") >= 0) {
    response.headers["cross-origin-resource-policy"] = { value: "same-origin" };
  }
  return response;
}
