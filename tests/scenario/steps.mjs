/**
 * One story, told to everything that serves the API: who sends what, and with which status it is
 * answered. `scenario.test.mjs` compares the answers.
 *
 * Visitors keep their cookies from step to step. `{anna}` in a path or a body is the row id of anna's
 * session.
 */

/**
 * @typedef {{ what: string, status: number, path: string, method?: string, as?: string,
 *   headers?: Record<string, string>, body?: string, json?: unknown, form?: Record<string, string>,
 *   copy?: string, afterMs?: number, isNoRoute?: true, hasOtherLetters?: true, isForeignHost?: boolean }} Step
 *   `as`: whose cookies go along; nobody's without it. `copy`: whose cookies that visitor starts with.
 *   `afterMs`: how long the story waits before it. The last two: see differences.mjs.
 */

const SITE = "www.example.com";
const API = "api.execute-api.eu-central-1.amazonaws.com";
const PARTNER = "https://partner.example";

/** What every place is started with. */
export const SETTINGS = Object.freeze({
  SITE_AUDIENCE: SITE,
  COOKIE_SECURE: "true",
  SESSION_KEYS: `scenario:${Buffer.alloc(32, 7).toString("base64")}`,
  ACCESS_PASSCODE: "open sesame",
  CONSENT_VERSION: "2026-01",
  DENIED_EMAILS: "@denied.example",
  ALLOWED_ORIGINS: PARTNER,
  // Goes along with every step that does not say otherwise.
  EDGE_SECRET: "from-the-edge-in-tests-0123456789abcdef",
});

const ENTER = "/api/verify-temp-access";
const HEARTBEAT = "/api/session-heartbeat";
const REFRESH = "/api/session-refresh";
const LOGOUT = "/api/logout";
const PAGE = "/portfolio/confidential/";

/** @type {Record<string, string>} */
const KNOWN = { passcode: SETTINGS.ACCESS_PASSCODE, consent: SETTINGS.CONSENT_VERSION };
const OWN = { origin: `https://${SITE}`, "sec-fetch-site": "same-origin" };
const NAVIGATION = {
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
  "sec-fetch-site": "same-origin",
};
const ABROAD = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
const JSON_TYPE = { "content-type": "application/json" };
const TEXT = { "content-type": "text/plain;charset=UTF-8" };
/** A byte more than is read. */
const TOO_LONG = "x".repeat(64 * 1024 + 1);

/** @param {Record<string, string>} fields */
const multipart = (fields) => ({
  headers: { ...OWN, "content-type": "multipart/form-data; boundary=----WebKitFormBoundary7MA4YW" },
  body: `${Object.entries(fields)
    .map(
      ([name, value]) =>
        `------WebKitFormBoundary7MA4YW\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    )
    .join("")}------WebKitFormBoundary7MA4YW--\r\n`,
});

/** @type {Step[]} */
const GATE = [
  {
    what: "a form lets in",
    as: "anna",
    path: ENTER,
    form: { email: "Anna@Example.com", redirect: `${PAGE}?a=b#c`, ...KNOWN },
    headers: OWN,
    status: 303,
  },
  {
    what: "a program is let in",
    as: "ben",
    path: ENTER,
    json: { email: "ben@example.com", ...KNOWN },
    status: 200,
  },
  {
    what: "a form in parts lets in, to a page in other letters",
    as: "carla",
    path: ENTER,
    ...multipart({ email: "carla@example.com", redirect: `${PAGE}Büro/?q=é`, ...KNOWN }),
    status: 303,
  },
  {
    what: "JSON as text lets in",
    as: "dora",
    path: ENTER,
    headers: TEXT,
    body: JSON.stringify({ email: "dora@example.com", ...KNOWN }),
    status: 200,
  },
  {
    what: "an address in other letters",
    as: "zoe",
    path: ENTER,
    form: { email: "zoë@exämple.com", ...KNOWN },
    status: 303,
  },
  {
    what: "the gate page's own address tells the way back",
    as: "emil",
    path: ENTER,
    form: { email: "emil@example.com", ...KNOWN },
    headers: {
      ...OWN,
      referer: `https://${SITE}/access/?redirect=%2Fportfolio%2Fconfidential%2Fb`,
    },
    status: 303,
  },
  {
    what: "a way back to another host is none",
    as: "fritz",
    path: ENTER,
    json: { email: "fritz@example.com", redirect: "//evil.example/", ...KNOWN },
    status: 200,
  },
  {
    what: "whoever comes in once more leaves the first session",
    as: "fritz",
    path: ENTER,
    form: { email: "fritz@example.com", ...KNOWN },
    status: 303,
  },
  ...["nobody", "", "a@b@c", "zoë@"].flatMap((email) => [
    {
      what: `"${email}" is no address, in JSON`,
      path: ENTER,
      json: { email, ...KNOWN },
      status: 400,
    },
    {
      what: `"${email}" is no address, in a form`,
      path: ENTER,
      form: { email, redirect: PAGE, ...KNOWN },
      status: 303,
    },
  ]),
  .../** @type {{ what: string, status: number, fields: Record<string, string> }[]} */ ([
    { what: "no passcode", status: 403, fields: { passcode: "" } },
    { what: "another passcode", status: 403, fields: { passcode: "öffne dich" } },
    { what: "no consent", status: 400, fields: { consent: "" } },
    { what: "consent to another text", status: 400, fields: { consent: "2025-01" } },
    { what: "a denied address", status: 403, fields: { email: "x@denied.example" } },
  ]).flatMap(({ what, status, fields }) => {
    const form = { email: "gustav@example.com", ...KNOWN, ...fields };
    return [
      { what: `${what}, in JSON`, path: ENTER, json: form, status },
      { what: `${what}, in a form`, path: ENTER, form, status: 303 },
      { what: `${what}, in parts`, path: ENTER, ...multipart(form), status: 303 },
    ];
  }),
  { what: "an empty post", path: ENTER, method: "POST", status: 400 },
  { what: "an empty form", path: ENTER, form: {}, status: 303 },
  { what: "broken JSON", path: ENTER, body: "{", headers: JSON_TYPE, status: 400 },
  {
    what: "a value twice",
    path: ENTER,
    body: "email=a@example.com&email=b@example.com",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    status: 400,
  },
  {
    what: "parts without an end",
    path: ENTER,
    body: "--x\r\n",
    headers: { "content-type": "multipart/form-data; boundary=x" },
    status: 400,
  },
  {
    what: "another type",
    path: ENTER,
    body: "<x/>",
    headers: { "content-type": "application/xml" },
    status: 415,
  },
  { what: "a form that is too long", path: ENTER, form: { email: TOO_LONG }, status: 413 },
  { what: "JSON that is too long", path: ENTER, json: { email: TOO_LONG }, status: 413 },
  {
    what: "a method that is none here, with a body that is too long",
    path: ENTER,
    method: "PUT",
    json: { email: TOO_LONG },
    status: 405,
  },
  {
    what: "another site's body that is too long",
    path: ENTER,
    headers: ABROAD,
    form: { email: TOO_LONG },
    status: 403,
  },
  { what: "another site's form", path: ENTER, headers: ABROAD, form: KNOWN, status: 403 },
  {
    what: "a neighbour's form",
    path: ENTER,
    headers: { origin: "https://x.example.com", "sec-fetch-site": "same-site" },
    form: KNOWN,
    status: 403,
  },
  {
    what: "a form without an origin of this time's browsers",
    path: ENTER,
    headers: { origin: "null" },
    form: KNOWN,
    status: 403,
  },
  {
    what: "an allowed origin",
    as: "hanna",
    path: ENTER,
    headers: { origin: PARTNER, "sec-fetch-site": "cross-site" },
    json: { email: "hanna@example.com", ...KNOWN },
    status: 200,
  },
];

/** @type {Step[]} */
const VISIT = [
  { what: "an empty heartbeat", as: "anna", path: HEARTBEAT, method: "POST", status: 200 },
  {
    what: "a heartbeat with figures",
    as: "anna",
    path: HEARTBEAT,
    headers: OWN,
    json: { session: "{anna}", activeSeconds: 0, seenSecondsAgo: 0, page: PAGE, pages: {} },
    status: 200,
  },
  {
    what: "a page in other letters",
    as: "anna",
    path: HEARTBEAT,
    // No page is looked at for longer than its session is old: without the wait its second is cut to
    // none where no full second has gone by.
    afterMs: 1100,
    json: {
      session: "{anna}",
      page: `${PAGE}Büro/`,
      pages: { [`${PAGE}Büro/`]: { seconds: 1, scroll: 85 } },
    },
    status: 200,
  },
  {
    what: "a beacon",
    as: "anna",
    path: HEARTBEAT,
    headers: { ...OWN, ...TEXT },
    body: JSON.stringify({ session: "{anna}", activeSeconds: 0, page: PAGE }),
    status: 200,
  },
  {
    what: "a farewell by beacon",
    as: "anna",
    path: HEARTBEAT,
    headers: { ...OWN, ...TEXT },
    body: JSON.stringify({ session: "{anna}", leaving: true }),
    status: 200,
  },
  {
    what: "a heartbeat as a form",
    as: "anna",
    path: HEARTBEAT,
    form: { session: "{anna}" },
    status: 200,
  },
  {
    what: "another session's figures",
    as: "anna",
    path: HEARTBEAT,
    json: { session: "{ben}", activeSeconds: 5 },
    status: 200,
  },
  ...[
    { activeSeconds: -1 },
    { seenSecondsAgo: null },
    // The page of before, as a script tells it: figures are of the whole session.
    {
      pages: {
        [`${PAGE}Büro/`]: { seconds: 1, scroll: 1e9 },
        [`${PAGE}b/`]: { seconds: -1 },
        "no path": { seconds: 1 },
      },
    },
  ].map((json) => ({
    what: `figures that are clamped or left out: ${JSON.stringify(json)}`,
    as: "anna",
    path: HEARTBEAT,
    json,
    status: 200,
  })),
  ...[{ activeSeconds: "many" }, { pages: [] }, { leaving: "perhaps" }].map((json) => ({
    what: `figures that are none: ${JSON.stringify(json)}`,
    as: "anna",
    path: HEARTBEAT,
    json,
    status: 400,
  })),
  {
    what: "a heartbeat in broken JSON",
    as: "anna",
    path: HEARTBEAT,
    headers: JSON_TYPE,
    body: "[",
    status: 400,
  },
  {
    what: "a heartbeat of another type",
    as: "anna",
    path: HEARTBEAT,
    headers: { "content-type": "image/png" },
    body: "x",
    status: 415,
  },
  {
    what: "a heartbeat that is too long",
    as: "anna",
    path: HEARTBEAT,
    json: { page: TOO_LONG },
    status: 413,
  },
  {
    what: "a heartbeat of another site",
    as: "anna",
    path: HEARTBEAT,
    headers: ABROAD,
    method: "POST",
    status: 403,
  },
  {
    what: "a heartbeat of an allowed origin",
    as: "anna",
    path: HEARTBEAT,
    headers: { origin: PARTNER },
    method: "POST",
    status: 200,
  },
  // The site's own by its host, which CloudFront and other proxies pass on beside that of the API.
  ...[
    { what: "the site's", host: SITE, forwarded: "", status: 200 },
    { what: "the site's, passed on", host: API, forwarded: SITE, status: 200 },
    { what: "the API's", host: API, forwarded: "", status: 403 },
    { what: "another's, passed on", host: API, forwarded: "evil.example", status: 403 },
  ].map(({ what, host, forwarded, status }) => ({
    what: `a heartbeat of the site's page, by a host that is ${what}`,
    as: "anna",
    path: HEARTBEAT,
    method: "POST",
    isForeignHost: host !== SITE,
    headers: {
      host,
      origin: `https://${SITE}`,
      ...(forwarded && { "x-forwarded-host": forwarded }),
    },
    status,
  })),
  { what: "a heartbeat of nobody", path: HEARTBEAT, method: "POST", status: 401 },
  {
    what: "a heartbeat of nobody on an open page",
    path: HEARTBEAT,
    json: { page: "/" },
    status: 401,
  },
  { what: "a farewell of nobody", path: HEARTBEAT, json: { leaving: true }, status: 401 },
  {
    what: "a heartbeat with a forged cookie",
    path: HEARTBEAT,
    method: "POST",
    headers: { cookie: "__Host-lastseen=e30.e30.x; session_record_id=1" },
    status: 401,
  },
  { what: "the question for a session", as: "anna", path: HEARTBEAT, status: 200 },
  {
    what: "the question of an allowed origin",
    as: "anna",
    path: HEARTBEAT,
    headers: { origin: PARTNER },
    status: 200,
  },
  { what: "the question of nobody", path: HEARTBEAT, status: 200 },
  {
    what: "the question of nobody, with cookies of others",
    path: HEARTBEAT,
    headers: { cookie: 'a="b, c"; =; d' },
    status: 200,
  },
  {
    what: "a header in other letters",
    as: "anna",
    path: HEARTBEAT,
    headers: { "x-name": "Ren\u00e9" },
    status: 200,
    hasOtherLetters: true,
  },
  {
    what: "a refresh",
    as: "anna",
    path: `${REFRESH}?redirect=${encodeURIComponent(`${PAGE}?a=b&c=ü`)}`,
    status: 302,
  },
  {
    what: "a refresh by a person",
    as: "anna",
    path: `${REFRESH}?redirect=${PAGE}`,
    headers: NAVIGATION,
    status: 302,
  },
  { what: "a refresh without a way back", as: "anna", path: REFRESH, status: 302 },
  {
    what: "a refresh to another host",
    as: "anna",
    path: `${REFRESH}?redirect=https%3A%2F%2Fevil.example%2F`,
    status: 302,
  },
  {
    what: "a refresh with a query that is none",
    as: "anna",
    path: `${REFRESH}?redirect=%zz&&=&redirect=${PAGE}`,
    status: 302,
  },
  { what: "a refresh of nobody", path: `${REFRESH}?redirect=${PAGE}`, status: 302 },
  {
    what: "a refresh with a forged cookie",
    path: `${REFRESH}?redirect=${PAGE}`,
    headers: { cookie: "__Host-lastseen=x" },
    status: 302,
  },
];

/** @type {Step[]} */
const LEAVING = [
  {
    what: "a log-out for a reason that is none",
    as: "ben",
    path: LOGOUT,
    json: { reason: "bored" },
    status: 400,
  },
  {
    what: "a log-out for a reason that is no text",
    as: "ben",
    path: LOGOUT,
    json: { reason: ["idle"] },
    status: 400,
  },
  {
    what: "a log-out by another site",
    as: "ben",
    path: LOGOUT,
    headers: ABROAD,
    method: "POST",
    status: 403,
  },
  {
    what: "a log-out that is too long",
    as: "ben",
    path: LOGOUT,
    json: { page: TOO_LONG },
    status: 413,
  },
  { what: "a log-out by a program", as: "thief", copy: "ben", path: LOGOUT, json: {}, status: 204 },
  { what: "ben is out everywhere", as: "ben", path: HEARTBEAT, status: 200 },
  {
    what: "his next heartbeat",
    as: "ben",
    path: HEARTBEAT,
    json: { session: "{ben}" },
    status: 401,
  },
  {
    what: "an idle log-out by beacon",
    as: "carla",
    path: LOGOUT,
    headers: { ...OWN, ...TEXT },
    body: JSON.stringify({ reason: "idle", session: "{carla}", activeSeconds: 0 }),
    status: 204,
  },
  {
    what: "a log-out by form",
    as: "dora",
    path: LOGOUT,
    headers: { ...OWN, referer: `https://${SITE}${PAGE}` },
    form: { reason: "logout" },
    status: 303,
  },
  { what: "a log-out of nobody", path: LOGOUT, json: {}, status: 204 },
  { what: "a form's log-out of nobody", path: LOGOUT, ...multipart({ a: "ü" }), status: 303 },
  {
    what: "a prefetch of the log-out",
    as: "emil",
    path: "/logout",
    headers: { ...NAVIGATION, "sec-purpose": "prefetch" },
    status: 503,
  },
  {
    what: "a log-out by an address typed by hand",
    as: "emil",
    path: "/logout",
    headers: { ...NAVIGATION, "sec-fetch-site": "none" },
    status: 200,
  },
  {
    what: "a link to the log-out on another site",
    as: "emil",
    path: "/logout",
    headers: { ...NAVIGATION, "sec-fetch-site": "cross-site" },
    status: 200,
  },
  { what: "the log-out's page", path: "/logout", status: 200 },
  {
    what: "a log-out by navigation",
    as: "emil",
    path: "/logout?reason=idle",
    headers: { ...NAVIGATION, referer: `https://${SITE}${PAGE}` },
    status: 303,
  },
  {
    what: "a refresh after it",
    as: "emil",
    path: `${REFRESH}?redirect=${PAGE}`,
    status: 302,
  },
];

const OWNERS_TOKEN = "token-of-the-owner-in-tests-0123456789";
const OWNER = { authorization: `Bearer ${OWNERS_TOKEN}` };
const LOGIN = "/api/admin/login";
const SIGN_OUT = "/api/admin/logout";

/** @type {Step[]} */
const ENDINGS = [
  { what: "no owner", path: "/api/sessions/{anna}/revoke", method: "POST", status: 401 },
  {
    what: "the owner ends a session",
    path: "/api/sessions/{anna}/revoke",
    method: "POST",
    headers: OWNER,
    status: 200,
  },
  {
    what: "the owner ends a session that is none",
    path: "/api/sessions/999999/revoke",
    method: "POST",
    headers: OWNER,
    status: 404,
  },
  {
    what: "the owner ends a visitor's sessions",
    path: "/api/sessions/revoke",
    headers: OWNER,
    json: { email: "hanna@example.com" },
    status: 200,
  },
  {
    what: "the owner does not say which",
    path: "/api/sessions/revoke",
    headers: OWNER,
    json: {},
    status: 400,
  },
  { what: "a wrong token at the owner's login", path: LOGIN, json: { token: "x" }, status: 401 },
  { what: "a form with a wrong one", path: LOGIN, form: { token: "x" }, status: 303 },
  {
    what: "a login of no known type",
    path: LOGIN,
    headers: { "content-type": "image/png" },
    body: "x",
    status: 415,
  },
  {
    what: "the owner's login",
    as: "owner",
    path: LOGIN,
    json: { token: OWNERS_TOKEN },
    status: 200,
  },
  {
    what: "the owner's login by form",
    as: "owner",
    path: LOGIN,
    form: { token: OWNERS_TOKEN },
    status: 303,
  },
  {
    what: "the owner ends a session with the cookie",
    as: "owner",
    path: "/api/sessions/{anna}/revoke",
    headers: OWN,
    method: "POST",
    status: 200,
  },
  {
    what: "another site asks with the owner's cookie",
    as: "owner",
    path: "/api/summary",
    headers: ABROAD,
    status: 403,
  },
  {
    what: "the partner asks with the owner's cookie",
    as: "owner",
    path: "/api/sessions/revoke",
    headers: { origin: PARTNER },
    json: { all: true },
    status: 403,
  },
  { what: "the owner signs out", as: "owner", path: SIGN_OUT, method: "POST", status: 204 },
  { what: "nobody signs out by form", path: SIGN_OUT, form: {}, status: 303 },
  { what: "a report for nobody", path: "/api/summary", status: 401 },
  {
    what: "a heartbeat of whom the owner ended",
    as: "anna",
    path: HEARTBEAT,
    method: "POST",
    status: 401,
  },
];

/** Who knows the API's own address. @type {Step[]} */
const AROUND = [
  ...["POST", "GET", "OPTIONS", "PUT"].map((method) => ({ method, path: HEARTBEAT })),
  { method: "GET", path: "/logout" },
  { method: "POST", path: "/api/sessions/revoke" },
].flatMap((call) =>
  /** @type {Record<string, string>[]} */ ([
    { "x-lastseen-edge": SETTINGS.EDGE_SECRET.toUpperCase() },
    { "x-lastseen-edge": "", origin: PARTNER },
  ]).map((headers) => ({
    what: `${call.method} ${call.path} around the site, with ${JSON.stringify(headers)}`,
    ...call,
    headers,
    status: 403,
  })),
);

/** @type {Step[]} */
const METHODS = [
  { path: ENTER, allow: ["POST"] },
  { path: HEARTBEAT, allow: ["GET", "POST"] },
  { path: REFRESH, allow: ["GET"] },
  { path: LOGOUT, allow: ["POST"] },
  { path: "/logout", allow: ["GET"] },
  { path: "/api/sessions/revoke", allow: ["POST"], isOwners: true },
  { path: LOGIN, allow: ["POST"], isOwners: true },
  { path: SIGN_OUT, allow: ["POST"], isOwners: true },
  ...["sessions", "sessions/1", "sessions.csv", "visitors", "visitors.csv", "summary"].map(
    (route) => ({ path: `/api/${route}`, allow: ["GET"], isOwners: true }),
  ),
].flatMap(({ path, allow, isOwners = false }) => [
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    .filter((method) => !allow.includes(method))
    .map((method) => ({ what: `${method} ${path}`, path, method, status: 405 })),
  {
    what: `an allowed origin asks before ${path}`,
    path,
    method: "OPTIONS",
    headers: { origin: PARTNER, "access-control-request-method": "POST" },
    status: isOwners ? 405 : 204,
  },
  {
    what: `another origin asks before ${path}`,
    path,
    method: "OPTIONS",
    headers: { ...ABROAD, "access-control-request-method": "POST" },
    status: 405,
  },
]);

/** @type {Step[]} */
const NO_ROUTES = ["/api/none", "/api/session-heartbeat/", "/api/sessions/1/2"].flatMap((path) =>
  ["GET", "POST"].map((method) => ({
    what: `no route: ${method} ${path}`,
    path,
    method,
    status: 404,
    isNoRoute: /** @type {const} */ (true),
  })),
);

/**
 * Last, because what is read of the table may be some seconds old where the functions are apart.
 * @type {Step[]}
 */
const REPORTS = [
  { what: "no report for strangers", path: "/api/summary", status: 401 },
  ...["email=anna@example.com", "domain=example.com&state=ended", "reason=revoked&limit=1"].map(
    (filters) => ({
      what: `the owner asks for visits, ${filters}`,
      path: `/api/sessions?${filters}`,
      headers: OWNER,
      status: 200,
    }),
  ),
  { what: "one visit", path: "/api/sessions/{hanna}", headers: OWNER, status: 200 },
  { what: "one that is none", path: "/api/sessions/999999", headers: OWNER, status: 404 },
  { what: "an id that no table has", path: "/api/sessions/x", headers: OWNER, status: 404 },
  ...["sessions", "visitors", "summary", "sessions.csv", "visitors.csv"].flatMap((report) => [
    {
      what: `${report} of a time before there were any`,
      path: `/api/${report}?to=2001-01-01&tz=Europe/Berlin`,
      headers: OWNER,
      status: 200,
    },
    {
      what: `${report} of a day that is none`,
      path: `/api/${report}?from=2001-02-29`,
      headers: OWNER,
      status: 400,
    },
  ]),
  { what: "visitors", path: "/api/visitors?sort=email", headers: OWNER, status: 200 },
  { what: "what it adds up to", path: "/api/summary?from=2026-01-01", headers: OWNER, status: 200 },
  ...["sessions", "visitors"].map((what) => ({
    what: `the first part of ${what} as a file`,
    path: `/api/${what}.csv?domain=example.com&part=first`,
    headers: OWNER,
    status: 200,
  })),
  ...[
    "sessions?from=yesterday",
    "sessions?cursor=x",
    "sessions?page=2",
    "sessions?limit=0",
    "visitors?sort=age",
    "visitors.csv?limit=9",
    "summary?tz=Mars/Olympus",
    "summary?email=a@example.com&email=b@example.com",
    "summary?state=open&reason=idle",
  ].map((question) => ({
    what: `a question that cannot be followed: ${question}`,
    path: `/api/${question}`,
    headers: OWNER,
    status: 400,
  })),
];

export const STEPS = [
  ...GATE,
  ...VISIT,
  ...LEAVING,
  ...ENDINGS,
  ...AROUND,
  ...METHODS,
  ...NO_ROUTES,
  ...REPORTS,
];
