// A row with a start and an end and nothing else: a heartbeat every three minutes while the page is
// visible, one at once when it becomes visible, a beacon when it is left.
const url = "/start-end";
let timer;

function beat() {
  fetch(url, { method: "POST", keepalive: true }).catch(() => {});
}
function watch() {
  clearInterval(timer);
  if (document.hidden) {
    navigator.sendBeacon(url);
    return;
  }
  beat();
  timer = setInterval(beat, 180_000);
}

document.addEventListener("visibilitychange", watch);
watch();
