import SessionActivityService from "hmrc-frontend/hmrc/components/timeout-dialog/session-activity-service.js";
import TimeoutDialog from "hmrc-frontend/hmrc/components/timeout-dialog/timeout-dialog.js";

const settings = document.querySelector('meta[name="hmrc-timeout-dialog"]');
new TimeoutDialog(settings, new SessionActivityService(window.BroadcastChannel)).init();
new MutationObserver(() => {
  if (document.getElementById("hmrc-timeout-dialog")) window.simulation.mark("warned");
}).observe(document.body, { childList: true });
