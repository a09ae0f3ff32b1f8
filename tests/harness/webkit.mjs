/**
 * WebKitGTK's own small browser, driven through the WebKitWebDriver that comes with it, on a screen
 * that nobody sees.
 *
 * The protocol is JSON over HTTP (https://www.w3.org/TR/webdriver2/), and a dozen of its commands
 * are all it takes: no client from npm is needed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, Running } from "./process.mjs";
import { Tab } from "./tab.mjs";

/** Longer than this no command takes, and a browser that hangs must not hang the tests. */
const PATIENCE_MS = 20_000;

/** Keys that are no letters (WebDriver, 17.4.2). */
const KEYS = { Tab: "\uE004", Enter: "\uE007", Escape: "\uE00C" };

let wheels = 0;

export async function openWebkit() {
  // It picks a number that is free, and says which.
  const screen = new Running("Xvfb", ["-displayfd", "1", "-nolisten", "tcp"]);
  try {
    const [, number] = await screen.prints(/^(\d+)\n/, 10_000);
    return new WebkitEngine(screen, `:${number}`);
  } catch (error) {
    throw new Error("no screen for WebKit: run tools/system", { cause: error });
  }
}

class WebkitEngine {
  #screen;
  #display;

  /** @param {Running} screen @param {string} display */
  constructor(screen, display) {
    this.#screen = screen;
    this.#display = display;
  }

  async visitor() {
    const failures = [];
    // It finds a free port for its browser, which another program may take before the browser does.
    while (failures.length < 3) {
      const port = await freePort();
      const env = { ...process.env, DISPLAY: this.#display, DBUS_SESSION_BUS_ADDRESS: "disabled:" };
      const running = new Running("WebKitWebDriver", [`--port=${port}`], { env });
      try {
        return await WebkitVisitor.open(new Driver(running, `http://127.0.0.1:${port}`));
      } catch (error) {
        await running.stop({ withinMs: 2000 });
        failures.push(new Error(running.log, { cause: error }));
      }
    }
    throw new AggregateError(failures, `no WebKit: run tools/system\n${failures.join("\n")}`);
  }

  async quit() {
    await this.#screen.stop({ signal: "SIGTERM", withinMs: 2000 });
  }
}

/** Speaks to one WebKitWebDriver, which has one browser. */
class Driver {
  #running;
  #url;
  /** The window that commands go to. */
  #current = "";
  /** @type {Promise<unknown>} */
  #queue = Promise.resolve();

  /** @param {Running} running @param {string} url */
  constructor(running, url) {
    this.#running = running;
    this.#url = url;
  }

  /** Resolves once it listens, and its browser is there. */
  async start() {
    const deadline = Date.now() + PATIENCE_MS;
    while (!(await fetch(`${this.#url}/status`).catch(() => null))) {
      if (!this.#running.isRunning || Date.now() > deadline) throw new Error("it does not listen");
      await sleep(20);
    }
    // Whatever browser it was built with, and nothing special about it.
    const { sessionId } = await this.#call("POST", "/session", { capabilities: {} });
    this.#url += `/session/${sessionId}`;
    this.#current = await this.#call("GET", "/window");
    return this.#current;
  }

  /**
   * A command to a window, after those that were given before.
   *
   * @param {string} window
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  send(window, method, path, body) {
    const done = this.#queue.then(async () => {
      if (window !== this.#current) {
        await this.#call("POST", "/window", { handle: window });
        this.#current = window;
      }
      return this.#call(method, path, body);
    });
    this.#queue = done.catch(() => {});
    return done;
  }

  /** @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>} */
  async #call(method, path, body = {}) {
    const response = await fetch(this.#url + path, {
      method,
      body: method === "POST" ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const { value } = /** @type {any} */ (await response.json());
    if (!response.ok) throw new Error(`${path}: ${value.error}: ${value.message}`);
    return value;
  }

  async stop() {
    await this.#call("DELETE", "").catch(() => {});
    await this.#running.stop({ withinMs: 2000 });
  }
}

class WebkitVisitor {
  #driver;
  /** The one it starts with, which no test sees: with its last window the browser would be gone. */
  #base;
  /**
   * WebDriver puts no tab in front of another, so tabs are windows here, and hidden ones minimized.
   * @type {Set<WebkitTab>}
   */
  #tabs = new Set();

  /** @param {Driver} driver @param {string} base */
  constructor(driver, base) {
    this.#driver = driver;
    this.#base = base;
  }

  /** @param {Driver} driver */
  static async open(driver) {
    return new WebkitVisitor(driver, await driver.start());
  }

  async tab() {
    const tab = new WebkitTab(this.#driver, await this.#open(), this.#tabs);
    this.#tabs.add(tab);
    await tab.show();
    return tab;
  }

  async window() {
    return new WebkitTab(this.#driver, await this.#open(), new Set());
  }

  /** @returns {Promise<string>} */
  async #open() {
    const kind = { type: "window" };
    return (await this.#driver.send(this.#base, "POST", "/window/new", kind)).handle;
  }

  async cookies() {
    /** @type {{ name: string, value: string }[]} */
    const cookies = await this.#driver.send(this.#base, "GET", "/cookie");
    return Object.fromEntries(cookies.map(({ name, value }) => [name, value]));
  }

  /** @param {string} url @param {string} name @param {string} value */
  async setCookie(url, name, value) {
    // Cookies are those of the site that the window is at.
    await this.#driver.send(this.#base, "POST", "/url", { url });
    const cookie = { name, value, path: "/" };
    await this.#driver.send(this.#base, "POST", "/cookie", { cookie });
  }

  /** @param {string} name */
  async deleteCookie(name) {
    await this.#driver.send(this.#base, "DELETE", `/cookie/${name}`);
  }

  close() {
    return this.#driver.stop();
  }
}

class WebkitTab extends Tab {
  #driver;
  #handle;
  #window;

  /**
   * @param {Driver} driver
   * @param {string} handle
   * @param {Set<WebkitTab>} window the tabs that hide each other, this one among them
   */
  constructor(driver, handle, window) {
    super();
    this.#driver = driver;
    this.#handle = handle;
    this.#window = window;
  }

  /** @param {string} method @param {string} path @param {object} [body] */
  #send(method, path, body) {
    return this.#driver.send(this.#handle, method, path, body);
  }

  /** @type {Tab["evaluate"]} */
  evaluate(body, ...args) {
    return this.#send("POST", "/execute/sync", { script: `return (${body})(...arguments)`, args });
  }

  /** @param {object} device @param {object[]} actions */
  async #act(device, ...actions) {
    await this.#send("POST", "/actions", { actions: [{ ...device, actions }] });
  }

  /** @param {object[]} actions */
  #mouse(...actions) {
    const parameters = { pointerType: "mouse" };
    return this.#act({ type: "pointer", id: "mouse", parameters }, ...actions);
  }

  /** @param {number} x @param {number} y */
  async move(x, y) {
    await this.#mouse({ type: "pointerMove", x, y, duration: 0 });
  }

  async click() {
    await this.#mouse({ type: "pointerDown", button: 0 }, { type: "pointerUp", button: 0 });
  }

  /** @param {import("./tab.mjs").Key} key */
  async press(key) {
    const value = key === "a" ? key : KEYS[key];
    const keyboard = { type: "key", id: "keyboard" };
    await this.#act(keyboard, { type: "keyDown", value }, { type: "keyUp", value });
  }

  /** @param {number} pixels */
  async wheel(pixels) {
    // A wheel that turns as far as it did last stands still, for this driver: a new one each time.
    wheels += 1;
    const turn = { type: "scroll", x: 50, y: 50, deltaX: 0, deltaY: pixels };
    await this.#act({ type: "wheel", id: `wheel ${wheels}` }, turn);
  }

  async hide() {
    await this.#send("POST", "/window/minimize", {});
    await super.hide();
  }

  async show() {
    for (const other of this.#window) if (other !== this) await other.hide();
    // What brings a minimized window back, and to the front.
    await this.#send("POST", "/window/rect", { x: 0, y: 0 });
    await super.show();
  }

  async close() {
    this.#window.delete(this);
    await this.#send("DELETE", "/window");
  }
}
