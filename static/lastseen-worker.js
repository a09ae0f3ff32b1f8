// Wakes a page of lastseen.js after the milliseconds it asks for: a worker's timer is slowed down
// less in a hidden tab than the page's own.
let timer = 0;
self.onmessage = ({ data }) => {
  clearTimeout(timer);
  timer = setTimeout(() => postMessage(0), data);
};
