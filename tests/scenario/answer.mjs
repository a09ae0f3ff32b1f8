/** An answer with everything that two sessions never share replaced by words that say what was there. */
import { DIFFERENCES } from "./differences.mjs";

/**
 * @typedef {{ status: number, headers: Record<string, string>, cookies: string[], body: string }} Plain
 */

/** Seconds that answers count down from: the idle timeout, the lifetime, and a day more. */
const DURATIONS = [1800, 86_400, 2 * 86_400];
/** How long a scenario takes at most. */
const TAKES = 300;

/** @param {string} text */
function roughly(text) {
  const seconds = Number(text);
  const whole = DURATIONS.find((duration) => seconds <= duration && seconds > duration - TAKES);
  return whole === undefined ? text : `<at most ${whole}>`;
}

/** @param {string} part */
const decode = (part) => JSON.parse(Buffer.from(part, "base64url").toString());

/** A token as its header, its site, and the names of its claims. @param {string} token */
function describe(token) {
  const [header = "", claims = ""] = token.split(".");
  const { aud, iat, exp, end, ...others } = decode(claims);
  const names = Object.keys(others).sort().join(" ");
  const until = `idle ${roughly(String(exp - iat))}, end ${roughly(String(end - iat))}`;
  return `<token ${JSON.stringify(decode(header))} for ${aud}, ${until}, and ${names}>`;
}

/**
 * @param {import("../harness/http.mjs").Answer} answer
 * @param {import("./differences.mjs").Place} place
 * @returns {Plain}
 */
export function plain({ status, headers, text }, place) {
  const { "set-cookie": cookies = [], ...rest } = headers;
  const { connection, requestId } = DIFFERENCES;
  const differ = [...connection.headers, ...(place === requestId.place ? requestId.headers : [])];
  const stay = Object.entries(rest).filter(([name]) => !differ.includes(name));
  return {
    status,
    headers: Object.fromEntries(
      stay
        .map(([name, value]) => [name, String(value).replace(/\d{4}-\d\d-\d\d/, "<date>")])
        .sort(),
    ),
    cookies: cookies.map((cookie) =>
      cookie
        .replace(/[\w-]+\.[\w-]+\.[\w-]{43}/, describe)
        .replace(/^(session_record_id)=\w+/, "$1=<row id>")
        .replace(/(?<=Max-Age=)\d+/, roughly),
    ),
    body: text
      .replace(/(?<=ExpiresInSeconds":)\d+/g, roughly)
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)/g, "<time>")
      .replace(/(?<="label":")[\d: -]+/g, "<time>")
      .replace(/(?<="id":")\d+/g, "<row id>")
      .replace(/(?<="(duration|active|medianActive)Seconds":)(\d+|\{[^}]*\})/g, "<seconds>")
      .replace(/(?<="next":")[\w-]+/g, "<cursor>")
      // A line of a file.
      .replace(/^\d+(,.*,)\d+(?=\r$)/gm, "<row id>$1<seconds>")
      .replace(/(?<=^[^,]+@[^,]+(,\d+){2}(,<time>){3},)\d+,\d*,\d*/gm, "<seconds>"),
  };
}
