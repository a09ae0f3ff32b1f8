/**
 * Makes the gate page more comfortable. Everything works without it: the messages are shown by
 * `:target`, and the server reads the way back from the Referer.
 */
(() => {
  const forms = document.querySelectorAll("form");
  const email = document.getElementById("email");
  const passcode = document.getElementById("passcode-field");
  const code = document.getElementById("code");
  if (!email || !passcode || !code) return;

  const query = new URLSearchParams(location.search);

  // The way back, for browsers and proxies that cut the Referer down to the origin.
  const redirect = query.get("redirect");
  for (const form of redirect ? forms : []) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "redirect";
    field.value = redirect ?? "";
    form.append(field);
  }

  // A redirect can lose its fragment on the way (some proxies rewrite Location), and an error can be
  // newer than this page: the query has it too.
  const told = query.get("error") ?? query.get("reason");
  if (!document.querySelector(":target")) {
    if (told) location.replace(`#${messageOf(told) ? told : "invalid-body"}`);
    else if (query.get("step") === "code") location.replace("#code");
  }

  /** @param {string} id */
  function messageOf(id) {
    const element = document.getElementById(id);
    return element?.classList.contains("message") ? element : null;
  }

  /** Which field a message is about. */
  const fieldOf = new Map([
    ["invalid-email", email],
    ["not-allowed", email],
    ["wrong-passcode", passcode],
    ["wrong-code", code],
  ]);
  /** Which field a fragment asks for. */
  const asked = new Map([
    ["passcode", passcode],
    ["code", code],
  ]);

  /** Focus goes to what is new on the page: the message, the field asked for, else the form. */
  const focus = () => {
    const id = location.hash.slice(1);
    for (const [message, field] of fieldOf) {
      if (message === id) {
        field.setAttribute("aria-invalid", "true");
        field.setAttribute("aria-describedby", message);
      } else if (field.getAttribute("aria-describedby") === message) {
        field.removeAttribute("aria-invalid");
        field.removeAttribute("aria-describedby");
      }
    }
    (messageOf(id) ?? asked.get(id) ?? email).focus();
  };
  window.addEventListener("hashchange", focus);
  focus();

  // A double click would leave two visits in the owner's table.
  let lastSubmit = Number.NEGATIVE_INFINITY;
  for (const form of forms) {
    form.addEventListener("submit", (event) => {
      if (event.timeStamp - lastSubmit < 2000) event.preventDefault();
      else lastSubmit = event.timeStamp;
    });
  }
})();
