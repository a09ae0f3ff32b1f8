/** Asks before something that cannot be taken back. */
import { byId } from "./dom.js";
import { printable } from "./format.js";

/** Reads the answer to the last question, once there is one. */
let answered = () => {};

/**
 * @param {{ title: string, text: string, yes: string }} question
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, text, yes }) {
  const dialog = byId("confirm", HTMLDialogElement);
  // That the question before was closed may not have been told yet (Chromium waits for the next frame),
  // and must not answer this one.
  answered();
  byId("confirm-title", HTMLElement).textContent = title;
  byId("confirm-text", HTMLElement).textContent = printable(text);
  byId("confirm-yes", HTMLElement).textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    answered = () => {
      if (!dialog.open) resolve(dialog.returnValue === "yes");
    };
    dialog.onclose = answered;
  });
}
