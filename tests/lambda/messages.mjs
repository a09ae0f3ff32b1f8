/** A queue on SQS with one for what is refused, as the stack makes them, and what stands in it. */

/** @typedef {{ body: string, received: number }} Message what it says, and how often it was handed out */

export class Messages {
  /** @param {import("./moto.mjs").Moto} moto @param {string} url @param {string} refusedUrl */
  constructor(moto, url, refusedUrl) {
    this.moto = moto;
    this.url = url;
    this.refusedUrl = refusedUrl;
  }

  /** @param {import("./moto.mjs").Moto} moto @param {{ maxReceiveCount?: number }} [options] */
  static async create(moto, { maxReceiveCount = 10 } = {}) {
    const name = `writes-${crypto.randomUUID().slice(0, 8)}`;
    const call = (/** @type {string} */ operation, /** @type {unknown} */ input) =>
      moto.call("sqs", { target: `AmazonSQS.${operation}` }, input);
    const refused = await call("CreateQueue", { QueueName: `${name}-refused` });
    const { Attributes } = await call("GetQueueAttributes", {
      QueueUrl: refused.QueueUrl,
      AttributeNames: ["QueueArn"],
    });
    const RedrivePolicy = JSON.stringify({
      deadLetterTargetArn: Attributes.QueueArn,
      maxReceiveCount,
    });
    const made = await call("CreateQueue", {
      QueueName: name,
      Attributes: { VisibilityTimeout: "120", RedrivePolicy },
    });
    return new Messages(moto, made.QueueUrl, refused.QueueUrl);
  }

  /** @param {string} body */
  async send(body) {
    await this.#call("SendMessage", { QueueUrl: this.url, MessageBody: body });
  }

  /** How many there are, whether or not they are due or somebody has them. */
  async count(url = this.url) {
    const names = ["", "Delayed", "NotVisible"].map(
      (state) => `ApproximateNumberOfMessages${state}`,
    );
    const input = { QueueUrl: url, AttributeNames: names };
    const { Attributes } = await this.#call("GetQueueAttributes", input);
    return names.reduce((sum, name) => sum + Number(Attributes[name]), 0);
  }

  /** Those that are due and nobody has; they stay so. @returns {Promise<Message[]>} */
  async due(url = this.url) {
    const all = [];
    for (;;) {
      // A moment in which they are not handed out twice.
      const { Messages: some = [] } = await this.#call("ReceiveMessage", {
        ...{ QueueUrl: url, MaxNumberOfMessages: 10, VisibilityTimeout: 30 },
        AttributeNames: ["ApproximateReceiveCount"],
      });
      if (some.length === 0) break;
      all.push(...some);
    }
    await this.release(all.map(({ ReceiptHandle }) => ReceiptHandle));
    return all.map(({ Body, Attributes }) => ({
      body: Body,
      // Before this time.
      received: Number(Attributes.ApproximateReceiveCount) - 1,
    }));
  }

  /** As if whoever has these had had them for too long. @param {string[]} receipts */
  async release(receipts) {
    for (const ReceiptHandle of receipts) {
      const input = { QueueUrl: this.url, ReceiptHandle, VisibilityTimeout: 0 };
      // Deleted ones are gone.
      await this.#call("ChangeMessageVisibility", input).catch(() => {});
    }
  }

  /** @param {string} operation @param {unknown} input */
  #call(operation, input) {
    return this.moto.call("sqs", { target: `AmazonSQS.${operation}` }, input);
  }
}
