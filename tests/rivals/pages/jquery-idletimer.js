import "./jquery.js";
import "jquery-idletimer/dist/idle-timer.js";

window.jQuery.idleTimer(900_000);
window.jQuery(document).on("idle.idleTimer", () => window.simulation.mark("locked"));
