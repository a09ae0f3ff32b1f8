/** A table of the real NocoDB server that `tests/nocodb/with-server` starts. */
import { toRow } from "./row.mjs";

/** @typedef {import("./row.mjs").Row} Row */

/** The columns of the table, in the order in which an owner reads them. */
export const COLUMNS = [
  { title: "emailOfAccessor", type: "Email" },
  { title: "sessionStartTime", type: "DateTime" },
  { title: "sessionEndTime", type: "DateTime" },
  { title: "endReason", type: "SingleLineText" },
  { title: "endedAt", type: "DateTime" },
  { title: "activeSeconds", type: "Number" },
  { title: "currentPage", type: "SingleLineText" },
  { title: "pages", type: "JSON" },
  { title: "consentVersion", type: "SingleLineText" },
];

/** @param {string} name */
function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set. Run this test inside tests/nocodb/with-server`);
  return value;
}

export class NocoTable {
  /** @param {string} id @param {string} base */
  constructor(id, base) {
    this.id = id;
    this.base = base;
  }

  /**
   * A new table for this test alone.
   *
   * @param {{ columns?: typeof COLUMNS, base?: string }} [options]
   */
  static async create({ columns = COLUMNS, base = setting("NOCODB_TEST_BASE") } = {}) {
    const title = `emailAccess-${crypto.randomUUID().slice(0, 8)}`;
    const { id } = await call("POST", `/api/v3/meta/bases/${base}/tables`, {
      title,
      fields: columns,
    });
    return new NocoTable(id, base);
  }

  /** What tells lastseen to use this table. */
  get settings() {
    return {
      NOCODB_URL: setting("NOCODB_TEST_URL"),
      NOCODB_API_TOKEN: setting("NOCODB_TEST_TOKEN"),
      NOCODB_BASE_ID: this.base,
      NOCODB_TABLE_ID: this.id,
    };
  }

  get #records() {
    return `/api/v3/data/${this.base}/${this.id}/records`;
  }

  /** Every row, oldest first. @returns {Promise<Row[]>} */
  async rows() {
    const rows = [];
    for (let page = 1; ; page += 1) {
      const answer = await call("GET", `${this.#records}?page=${page}&pageSize=100`);
      for (const { id, fields } of answer.records) rows.push(toRow(id, fields));
      if (!answer.next) return rows;
    }
  }

  /** @param {string} id @returns {Promise<Row>} */
  async row(id) {
    const answer = await call("GET", `${this.#records}/${id}`);
    return toRow(answer.id, answer.fields);
  }

  /** As an owner who adds a line. @param {Record<string, unknown>} fields */
  async add(fields) {
    await call("POST", this.#records, { fields });
  }

  /**
   * Many lines at once, ten to a request, as the server takes them.
   *
   * @param {Record<string, unknown>[]} lines
   * @returns {Promise<string[]>} their ids
   */
  async addMany(lines) {
    const ids = [];
    for (let begin = 0; begin < lines.length; begin += 10) {
      const body = lines.slice(begin, begin + 10).map((fields) => ({ fields }));
      const { records } = await call("POST", this.#records, body);
      ids.push(...records.map((/** @type {{ id: number }} */ { id }) => String(id)));
    }
    return ids;
  }

  /** As an owner who deletes a line. @param {string} id */
  async delete(id) {
    await call("DELETE", this.#records, [{ id: Number(id) }]);
  }

  /** As an owner who types into a cell. @param {string} id @param {Record<string, unknown>} fields */
  async type(id, fields) {
    await call("PATCH", this.#records, { id: Number(id), fields });
  }

  /**
   * As an owner who makes a webhook: after rows are added or changed, NocoDB posts a template's text.
   *
   * @param {"insert" | "update"} operation
   * @param {string} url
   * @param {{ body?: string, notBlank?: string }} [options] `notBlank`: a column, as the condition
   */
  async automation(operation, url, { body = "{{ json event }}", notBlank } = {}) {
    const payload = { method: "POST", path: url, body, headers: [], parameters: [] };
    const { id } = await call("POST", `/api/v2/meta/tables/${this.id}/hooks`, {
      title: crypto.randomUUID(),
      ...{ event: "after", operation: [operation], version: "v3", active: true },
      condition: notBlank !== undefined,
      notification: { type: "URL", payload },
    });
    if (!notBlank) return;
    const { fields } = await call("GET", `/api/v3/meta/bases/${this.base}/tables/${this.id}`);
    const column = fields.find((/** @type {any} */ { title }) => title === notBlank);
    await call("POST", `/api/v2/meta/hooks/${id}/filters`, {
      ...{ fk_column_id: column.id, comparison_op: "notblank", logical_op: "and" },
    });
  }

  /** As an owner who takes the whole table away. */
  async drop() {
    await call("DELETE", `/api/v3/meta/bases/${this.base}/tables/${this.id}`);
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
async function call(method, path, body) {
  const answer = await fetch(setting("NOCODB_TEST_URL") + path, {
    method,
    headers: { "xc-token": setting("NOCODB_TEST_TOKEN"), "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`NocoDB: ${method} ${path} answered ${answer.status}: ${text}`);
  return text ? JSON.parse(text) : undefined;
}
