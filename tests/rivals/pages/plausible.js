import { init } from "@plausible-analytics/tracker";

init({ domain: "site.example", endpoint: "/plausible", captureOnLocalhost: true });
