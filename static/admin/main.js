/** The owner's page. See docs/dashboard.md for what each figure means. */
import { App } from "./app.js";

new App().start();
