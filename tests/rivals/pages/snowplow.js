import { enableActivityTracking, newTracker, trackPageView } from "@snowplow/browser-tracker";

newTracker("measured", location.origin, { appId: "site" });
// The interval of Snowplow's own examples.
enableActivityTracking({ minimumVisitLength: 10, heartbeatDelay: 10 });
trackPageView();
