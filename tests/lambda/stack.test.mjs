/** The stack that a deployment makes, by what stands in front of the API. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { published } from "../edge/cloudfront.mjs";
import { isThorough } from "../harness/loop.mjs";
import { root } from "../harness/process.mjs";
import { check, PARAMETERS, RENDERED, SCHEDULED, stack } from "./stack.mjs";

/** @param {string} path */
const read = (path) => readFileSync(join(root, path), "utf8");

const CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac";
const CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1-2";

const site = stack();
const distribution = site.resources.Distribution.Properties.DistributionConfig;
const pages = distribution.DefaultCacheBehavior;
const behaviours = [pages, ...distribution.CacheBehaviors];

/** @param {any} behaviour */
const originOf = (behaviour) =>
  distribution.Origins.find((/** @type {any} */ { Id }) => Id === behaviour.TargetOriginId);

/** @param {any} behaviour @returns {[event: string, id: string][]} */
const functionsOf = (behaviour) =>
  behaviour.FunctionAssociations.map((/** @type {any} */ { EventType, FunctionARN }) => [
    EventType,
    FunctionARN["Fn::GetAtt"][0],
  ]);

suite("the pages", () => {
  test("the bucket is private, encrypted, and gone with the stack", () => {
    const { DeletionPolicy, Properties } = site.resources.SiteBucket;
    assert.equal(DeletionPolicy, "Delete");
    assert.deepEqual(
      new Set(Object.values(Properties.PublicAccessBlockConfiguration)),
      new Set([true]),
    );
    assert.equal(Object.keys(Properties.PublicAccessBlockConfiguration).length, 4);
    assert.deepEqual(Properties.OwnershipControls.Rules, [
      { ObjectOwnership: "BucketOwnerEnforced" },
    ]);
    assert.ok(Properties.BucketEncryption);
    assert.equal(Properties.WebsiteConfiguration, undefined, "a website's bucket would be public");
  });

  test("this distribution alone reads it, over TLS, and nobody lists it", () => {
    const { Statement } = site.resources.SiteBucketPolicy.Properties.PolicyDocument;
    const allowed = Statement.filter((/** @type {any} */ one) => one.Effect === "Allow");
    for (const { Principal, Condition } of allowed) {
      assert.deepEqual(Principal, { Service: "cloudfront.amazonaws.com" });
      const arn = Condition.StringEquals["AWS:SourceArn"]["Fn::Sub"];
      assert.match(arn, /:distribution\/\$\{Distribution\}$/);
    }
    assert.deepEqual(
      allowed.map((/** @type {any} */ { Action }) => Action),
      ["s3:GetObject", "s3:ListBucket"],
    );
    // What may be listed is not: the root is a file, and what would ask for the list never reaches S3.
    assert.equal(distribution.DefaultRootObject, "index.html");
    assert.equal(pages.OriginRequestPolicyId, undefined);
    const sent =
      site.resources.SiteCache.Properties.CachePolicyConfig
        .ParametersInCacheKeyAndForwardedToOrigin;
    assert.equal(sent.QueryStringsConfig.QueryStringBehavior, "none");
    assert.equal(sent.CookiesConfig.CookieBehavior, "none");
    assert.equal(sent.HeadersConfig.HeaderBehavior, "none");

    const [denied] = Statement.filter((/** @type {any} */ one) => one.Effect === "Deny");
    assert.deepEqual(denied.Condition, { Bool: { "aws:SecureTransport": "false" } });
    assert.equal(denied.Action, "s3:*");

    const access = site.resources.SiteAccess.Properties.OriginAccessControlConfig;
    assert.equal(access.SigningBehavior, "always");
    assert.deepEqual(originOf(pages).OriginAccessControlId, { Ref: "SiteAccess" });
  });

  test("the gate stands before every behaviour of the site's origin", () => {
    const ofTheSite = behaviours.filter((behaviour) => originOf(behaviour).S3OriginConfig);
    assert.ok(ofTheSite.length > 0);
    for (const behaviour of ofTheSite) {
      assert.deepEqual(functionsOf(behaviour), [
        ["viewer-request", "EdgeGate"],
        ["viewer-response", "EdgeHeaders"],
      ]);
      assert.deepEqual(behaviour.AllowedMethods, ["GET", "HEAD"]);
    }
    assert.equal(pages.PathPattern, undefined);
  });

  test("no copy of a page is kept longer than the page says, and none where it says nothing", () => {
    const { MinTTL, DefaultTTL } = site.resources.SiteCache.Properties.CachePolicyConfig;
    assert.deepEqual([MinTTL, DefaultTTL], [0, 0]);
    assert.deepEqual(pages.CachePolicyId, { Ref: "SiteCache" });
  });

  test("headers are those that serve sends", () => {
    const { SecurityHeadersConfig, CustomHeadersConfig } =
      site.resources.SecurityHeaders.Properties.ResponseHeadersPolicyConfig;
    const { AccessControlMaxAgeSec, IncludeSubdomains } =
      SecurityHeadersConfig.StrictTransportSecurity;
    assert.match(
      read("shared/src/web.rs"),
      new RegExp(`"max-age=${AccessControlMaxAgeSec}; includeSubDomains"`),
    );
    assert.equal(IncludeSubdomains, true);
    const policy = SecurityHeadersConfig.ContentSecurityPolicy;
    assert.ok(read("cli/src/site.rs").includes(`"${policy.ContentSecurityPolicy}"`));
    assert.equal(policy.Override, false, "the API's page has a stricter one");
    assert.match(policy.ContentSecurityPolicy, /frame-ancestors/);
    const others = [
      ["x-content-type-options", "nosniff"],
      ["referrer-policy", SecurityHeadersConfig.ReferrerPolicy.ReferrerPolicy],
      ...CustomHeadersConfig.Items.map((/** @type {any} */ { Header, Value }) => [
        Header.toLowerCase(),
        Value,
      ]),
    ];
    assert.ok(SecurityHeadersConfig.ContentTypeOptions.Override);
    for (const [name, value] of others) {
      const constant = name.toUpperCase().replaceAll("-", "_");
      assert.match(
        read("shared/src/web.rs"),
        new RegExp(`(${constant}|"${name}"\\)),\\s+"${value}"`),
      );
    }
    for (const behaviour of behaviours) {
      assert.deepEqual(behaviour.ResponseHeadersPolicyId, { Ref: "SecurityHeaders" });
    }
  });

  test("nothing is answered in clear text", () => {
    for (const { ViewerProtocolPolicy } of behaviours)
      assert.notEqual(ViewerProtocolPolicy, "allow-all");
    const [api] = distribution.Origins.filter((/** @type {any} */ { Id }) => Id === "api");
    assert.equal(api.CustomOriginConfig.OriginProtocolPolicy, "https-only");
    assert.deepEqual(api.CustomOriginConfig.OriginSSLProtocols, ["TLSv1.2"]);
  });
});

suite("the API behind the edge", () => {
  const ofTheApi = behaviours.filter((behaviour) => originOf(behaviour).CustomOriginConfig);

  test("it is on the site's host, by the paths of its routes, and no other origin is there", () => {
    assert.deepEqual(
      ofTheApi.map(({ PathPattern }) => PathPattern),
      ["/api/*", "/logout"],
    );
    const routes = site
      .ofType("AWS::ApiGatewayV2::Api")
      .flatMap(([, { Properties }]) => Object.keys(Properties.Body.paths));
    assert.ok(routes.length >= 7);
    for (const route of routes) assert.match(route, /^\/(api\/.+|logout)$/);
  });

  test("none of its answers is ever kept, errors included", () => {
    for (const behaviour of ofTheApi) assert.equal(behaviour.CachePolicyId, CACHING_DISABLED);
    // Those that CloudFront keeps for a while whatever the answer says.
    const kept = distribution.CustomErrorResponses;
    const statuses = kept.map((/** @type {any} */ { ErrorCode }) => ErrorCode);
    assert.deepEqual(statuses.sort(), [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504]);
    for (const { ErrorCode, ErrorCachingMinTTL, ResponsePagePath } of kept) {
      assert.equal(ErrorCachingMinTTL, 0, String(ErrorCode));
      // All others are the API's to explain.
      assert.equal(ResponsePagePath, ErrorCode === 404 ? "/404.html" : undefined);
    }
  });

  test("it is told the host and the secret, and everything that the browser sent", () => {
    for (const behaviour of ofTheApi) {
      assert.deepEqual(functionsOf(behaviour), [["viewer-request", "EdgeApi"]]);
      assert.equal(behaviour.OriginRequestPolicyId, ALL_VIEWER_EXCEPT_HOST);
      assert.ok(behaviour.AllowedMethods.includes("POST"));
    }
    for (const [id, { Properties }] of site.ofType("AWS::Lambda::Function")) {
      const { EDGE_SECRET_PARAMETER: parameter } = Properties.Environment.Variables;
      const expected = SCHEDULED.includes(id)
        ? ""
        : { "Fn::Sub": "/${AWS::StackName}/edge-secret" };
      assert.deepEqual(parameter, expected, id);
    }
  });

  test("CloudFront waits for an answer as long as a function may take", () => {
    const [api] = distribution.Origins.filter((/** @type {any} */ { Id }) => Id === "api");
    for (const [id, { Properties }] of site.ofType("AWS::Lambda::Function")) {
      if (!SCHEDULED.includes(id))
        assert.ok(Properties.Timeout < api.CustomOriginConfig.OriginReadTimeout);
    }
  });

  test("what the API logs names nobody", () => {
    const stages = site.ofType("AWS::ApiGatewayV2::Stage");
    assert.equal(stages.length, 1);
    const [[, stage]] = /** @type {any} */ (stages);
    const { Format } = stage.Properties.AccessLogSettings;
    const variables = [...Format.matchAll(/\$context\.([\w.]+)/g)].map(([, name]) => name);
    assert.deepEqual(variables, [
      "requestId",
      "routeKey",
      "status",
      "responseLatency",
      "integrationLatency",
    ]);
    JSON.parse(Format);
  });
});

suite("the functions at the edge", () => {
  for (const [id, source] of [
    ["EdgeGate", "functions/edge-gate/gate.js"],
    ["EdgeApi", "functions/edge-api/api.js"],
    ["EdgeHeaders", "functions/edge-headers/headers.js"],
  ]) {
    test(`${source} is what the stack publishes, and small enough`, () => {
      const { FunctionCode, FunctionConfig, AutoPublish } = site.resources[id].Properties;
      assert.equal(FunctionCode, published(source), "`make fmt` renews the copy");
      assert.ok(Buffer.byteLength(FunctionCode) <= 10 * 1024);
      assert.equal(FunctionConfig.Runtime, "cloudfront-js-2.0");
      assert.equal(AutoPublish, true);
      // What only adds a header has nothing to know.
      const known = { KeyValueStoreARN: { "Fn::GetAtt": ["EdgeStore", "Arn"] } };
      const stores = id === "EdgeHeaders" ? undefined : [known];
      assert.deepEqual(FunctionConfig.KeyValueStoreAssociations, stores);
    });
  }
});

suite("what stands in front", () => {
  const other = { SiteAudience: "www.example.com" };
  const SITE_ONLY = [
    "Distribution",
    "SiteBucket",
    "SiteBucketPolicy",
    "SiteAccess",
    "SiteCache",
    "SecurityHeaders",
    "EdgeErrorsAlarm",
  ];
  const EDGE = ["EdgeStore", "EdgeGate", "EdgeApi", "EdgeHeaders"];
  /** @param {ReturnType<typeof stack>} made */
  const secretsOf = (made) =>
    new Set(
      made
        .ofType("AWS::Lambda::Function")
        .map(([, { Properties }]) =>
          JSON.stringify(Properties.Environment.Variables.EDGE_SECRET_PARAMETER),
        ),
    );

  test("the site of the stack: everything, and no domain that nobody asked for", () => {
    for (const id of [...SITE_ONLY, ...EDGE]) assert.ok(site.resources[id], id);
    for (const id of ["Certificate", "DomainRecords", "WebAcl", "AlarmTopic", "CodesTable"]) {
      assert.ok(!site.resources[id], id);
    }
    assert.equal(distribution.Aliases, undefined);
    assert.deepEqual(distribution.ViewerCertificate, { CloudFrontDefaultCertificate: true });
    assert.deepEqual(site.outputs.SiteUrl.Value, {
      "Fn::Sub": "https://${Distribution.DomainName}",
    });
  });

  test("a distribution of one's own: the API, and the functions for its edge", () => {
    const made = stack({ Front: "cloudfront", ...other });
    for (const id of SITE_ONLY) assert.ok(!made.resources[id], id);
    for (const id of EDGE) assert.ok(made.resources[id], id);
    for (const name of [
      "EdgeGateArn",
      "EdgeApiArn",
      "EdgeHeadersArn",
      "KeyValueStoreArn",
      "ApiEndpoint",
    ]) {
      assert.ok(made.outputs[name], name);
    }
    assert.ok(!made.outputs.SiteUrl);
  });

  test("a proxy of one's own: the API, with the secret", () => {
    const made = stack({ Front: "proxy", ...other });
    for (const id of [...SITE_ONLY, ...EDGE]) assert.ok(!made.resources[id], id);
    assert.equal(
      secretsOf(made).size,
      2,
      "the functions behind the API want it, the scheduled one does not",
    );
  });

  test("nothing: the API without the secret, which no browser could send", () => {
    const made = stack({ Front: "none", CookieDomain: "example.com", ...other });
    for (const id of [...SITE_ONLY, ...EDGE]) assert.ok(!made.resources[id], id);
    assert.deepEqual(secretsOf(made), new Set(['""']));
    const { Variables } = made.resources.VerifyAccessFunction.Properties.Environment;
    assert.equal(String(Variables.TRUSTED_HOPS), "1");
    assert.equal(Variables.COOKIE_DOMAIN, "example.com");
    assert.doesNotMatch(JSON.stringify(made.ofType("AWS::IAM::Role")), /edge-secret/);
  });

  test("a domain of one's own: with the certificate that one has, or one that its zone vouches for", () => {
    const zone = { HostedZoneId: "Z0123456789ABCDEFGHIJ" };
    const [given, made, both] = [
      stack({ ...other, CertificateArn: CERTIFICATE }),
      stack({ ...other, ...zone }),
      stack({ ...other, ...zone, CertificateArn: CERTIFICATE }),
    ];
    for (const { resources, outputs } of [given, made, both]) {
      const config = resources.Distribution.Properties.DistributionConfig;
      assert.deepEqual(config.Aliases, ["www.example.com"]);
      assert.equal(config.ViewerCertificate.MinimumProtocolVersion, "TLSv1.2_2021");
      assert.equal(config.ViewerCertificate.SslSupportMethod, "sni-only");
      assert.deepEqual(outputs.SiteUrl.Value, { "Fn::Sub": "https://${SiteAudience}" });
    }
    const certificateOf = (/** @type {ReturnType<typeof stack>} */ { resources }) =>
      resources.Distribution.Properties.DistributionConfig.ViewerCertificate.AcmCertificateArn;
    assert.equal(certificateOf(given), CERTIFICATE);
    assert.equal(certificateOf(both), CERTIFICATE);
    assert.deepEqual(certificateOf(made), { Ref: "Certificate" });
    assert.ok(!both.resources.Certificate && !given.resources.DomainRecords);
    assert.equal(made.resources.Certificate.Properties.ValidationMethod, "DNS");
    const types = both.resources.DomainRecords.Properties.RecordSets.map(
      (/** @type {any} */ one) => one.Type,
    );
    assert.deepEqual(types, ["A", "AAAA"]);
  });

  test("the API's own name, where browsers call it: of the pages' domain, with a certificate", () => {
    const api = { Front: "none", ApiHost: "api.example.com", ...other };
    const made = stack({ ...api, HostedZoneId: "Z0123456789ABCDEFGHIJ" });
    const [configuration] = made.resources.ApiDomain.Properties.DomainNameConfigurations;
    assert.deepEqual(configuration.CertificateArn, { Ref: "ApiCertificate" });
    assert.equal(configuration.SecurityPolicy, "TLS_1_2");
    assert.equal(made.resources.ApiDomainRecord.Properties.Name, "api.example.com");
    const [[stage]] = /** @type {any} */ (made.ofType("AWS::ApiGatewayV2::Stage"));
    assert.deepEqual(made.resources.ApiDomainMapping.Properties.Stage, { Ref: stage });

    const given = stack({ ...api, CertificateArn: CERTIFICATE }).resources;
    assert.equal(
      given.ApiDomain.Properties.DomainNameConfigurations[0].CertificateArn,
      CERTIFICATE,
    );
    assert.ok(!given.ApiCertificate && !given.ApiDomainRecord);
    for (const id of ["ApiDomain", "ApiDomainMapping"]) assert.ok(!site.resources[id], id);
  });

  test("the web ACL guards the distribution where it is asked for", () => {
    const made = stack({ LimitPerAddress: "on" });
    assert.deepEqual(made.resources.Distribution.Properties.DistributionConfig.WebACLId, {
      "Fn::GetAtt": ["WebAcl", "Arn"],
    });
    assert.equal(distribution.WebACLId, undefined);
    assert.ok(stack({ Front: "cloudfront", LimitPerAddress: "on", ...other }).outputs.WebAclArn);
  });
});

test("what cannot be made is refused before anything is, by the parameter at fault", () => {
  const zone = { HostedZoneId: "Z0123456789ABCDEFGHIJ" };
  const name = { SiteAudience: "www.example.com" };
  const elsewhere = { "AWS::Region": "eu-central-1" };
  /** @type {[Record<string, string>, RegExp | undefined][]} */
  const cases = [
    [{}, undefined],
    [elsewhere, undefined],
    [{ Front: "proxy" }, /^SiteAudience/],
    [{ Front: "proxy", ...name }, undefined],
    [{ Front: "proxy", ...name, ...zone }, /^HostedZoneId/],
    [{ ApiHost: "api.example.com", ...zone, ...name }, /^ApiHost/],
    [{ ApiHost: "api.example.com", Front: "none", ...name }, /^ApiHost/],
    [{ ApiHost: "api.example.com", Front: "none", ...name, ...zone, ...elsewhere }, undefined],
    [zone, /^SiteAudience/],
    [{ ...zone, ...name }, undefined],
    [{ ...zone, ...name, ...elsewhere }, /us-east-1/],
    [{ ...zone, ...name, ...elsewhere, CertificateArn: CERTIFICATE }, undefined],
    [{ LimitPerAddress: "on" }, undefined],
    [{ LimitPerAddress: "on", ...elsewhere }, /LimitPerAddress/],
    [{ LimitPerAddress: "on", Front: "proxy", ...name }, /^LimitPerAddress/],
    [{ VerifyEmail: "code" }, /MailFrom/],
  ];
  for (const [given, refusal] of cases) {
    const [first, ...more] = stack(given).refusals;
    assert.deepEqual(more, [], JSON.stringify(given));
    if (refusal) assert.match(first ?? "", refusal, JSON.stringify(given));
    else assert.equal(first, undefined, JSON.stringify(given));
  }
});

suite("the queue behind NocoDB", () => {
  const { WriteQueue: queue, RefusedWrites: refused } = site.resources;

  test("it is there whatever stands in front, encrypted, and keeps what waits as long as SQS can", () => {
    const other = stack({ Front: "none", SiteAudience: "www.example.com" });
    for (const id of ["WriteQueue", "RefusedWrites"]) {
      assert.ok(other.resources[id], id);
      const { Properties } = site.resources[id];
      assert.equal(Properties.SqsManagedSseEnabled, true, id);
      assert.equal(Properties.MessageRetentionPeriod, 14 * 86_400, id);
    }
  });

  test("what is refused goes to the other queue, which takes nothing else", () => {
    const { deadLetterTargetArn, maxReceiveCount } = queue.Properties.RedrivePolicy;
    assert.deepEqual(deadLetterTargetArn, { "Fn::GetAtt": ["RefusedWrites", "Arn"] });
    assert.equal(maxReceiveCount, 10);
    const { redrivePermission, sourceQueueArns } = refused.Properties.RedriveAllowPolicy;
    assert.equal(redrivePermission, "byQueue");
    const name = queue.Properties.QueueName["Fn::Sub"];
    assert.equal(sourceQueueArns.length, 1);
    assert.ok(sourceQueueArns[0]["Fn::Sub"].endsWith(`:${name}`), name);
    assert.equal(refused.Properties.RedrivePolicy, undefined, "it is the end of the way");
  });

  test("nobody has a message twice while the writer runs, and no second one runs beside it", () => {
    const { Properties } = site.resources.WriterFunction;
    const sqs = read("shared/src/queue/sqs.rs");
    const [, visibility] = /VISIBILITY_SECONDS: i32 = (\d+)/.exec(sqs) ?? [];
    assert.equal(queue.Properties.VisibilityTimeout, Number(visibility));
    assert.ok(queue.Properties.VisibilityTimeout > Properties.Timeout);
    const [[, retries], ...more] = /** @type {any} */ (
      site.ofType("AWS::Lambda::EventInvokeConfig")
    );
    assert.deepEqual(more, []);
    assert.deepEqual(retries.Properties.FunctionName, { Ref: "WriterFunction" });
    assert.equal(retries.Properties.MaximumRetryAttempts, 0);
    assert.equal(retries.Properties.MaximumEventAgeInSeconds, 60);
    assert.deepEqual(site.ofType("AWS::Lambda::EventSourceMapping"), []);
  });

  test("what the writer was told of endings outlives the next notice, and not much more", () => {
    const { Properties } = site.resources.EndingsBoard;
    const [, every] = /EVERY_SECONDS: u64 = (\d+)/.exec(read("shared/src/queue/endings.rs")) ?? [];
    assert.ok(Properties.MessageRetentionPeriod >= 2 * Number(every));
    assert.equal(Properties.MessageRetentionPeriod, 60, "SQS keeps nothing for less");
    assert.equal(Properties.SqsManagedSseEnabled, true);
  });

  test("no delay is longer than SQS takes", () => {
    const [, longest] =
      /LONGEST_DELAY_SECONDS: u64 = (\d+)/.exec(read("shared/src/queue.rs")) ?? [];
    assert.equal(PARAMETERS.WriteEverySeconds.MaxValue, Number(longest));
  });
});

test("the API's throttle is the owner's to raise", () => {
  const settings = (/** @type {ReturnType<typeof stack>} */ made) => {
    const [[, stage]] = /** @type {any} */ (made.ofType("AWS::ApiGatewayV2::Stage"));
    const { ThrottlingRateLimit, ThrottlingBurstLimit } = stage.Properties.DefaultRouteSettings;
    return [Number(ThrottlingRateLimit), Number(ThrottlingBurstLimit)];
  };
  assert.deepEqual(settings(site), [50, 100]);
  const raised = stack({ ApiRequestsPerSecond: "600", ApiRequestsAtOnce: "1200" });
  assert.deepEqual(settings(raised), [600, 1200]);
});

suite("checkers", () => {
  test("cfn-lint finds nothing in the rendered template", () => {
    assert.equal(
      check("lambda", (file) => ["cfn-lint", "-t", file, "--regions", "us-east-1", "eu-central-1"]),
      "",
    );
  });

  // It takes minutes to install, and says of a template what the suites above do.
  const checkov = isThorough ? test : () => {};
  checkov("checkov finds nothing but what is explained, and every explanation is needed", () => {
    const config = join(import.meta.dirname, "checkov.yaml");
    const options = (/** @type {string} */ file) => [
      "-f",
      file,
      "--framework",
      "cloudformation",
      "--skip-download",
      "-o",
      "json",
    ];
    const failed = (/** @type {string} */ text) => [
      ...new Set(
        JSON.parse(text).results?.failed_checks.map((/** @type {any} */ one) => one.check_id),
      ),
    ];
    const explained = [...read("tests/lambda/checkov.yaml").matchAll(/^ {2}- (CKV\w+)$/gm)].map(
      ([, id]) => id,
    );
    const without = check("checkov", (file) => [...options(file), "--soft-fail"]);
    assert.deepEqual(failed(without).sort(), explained.sort());
    // It fails by its exit code.
    check("checkov", (file) => [...options(file), "--config-file", config]);
  });

  test("the rendered template holds no secret and no key", () => {
    assert.doesNotMatch(RENDERED, /[A-Za-z0-9+/]{43}=/);
    const { resources } = site;
    for (const [id, { Properties }] of Object.entries(resources)) {
      for (const [name, value] of Object.entries(Properties?.Environment?.Variables ?? {})) {
        if (/(TOKEN|KEYS|PASSCODE|SMTP_URL|SECRET)$/.test(name))
          assert.fail(`${id} ${name} ${value}`);
      }
    }
    assert.doesNotMatch(RENDERED, /resolve:(ssm|secretsmanager)/);
  });
});

test("what would hurt to lose is not in the stack, and everything in it goes with it", () => {
  for (const [id, { Type, DeletionPolicy }] of Object.entries(site.resources)) {
    assert.notEqual(DeletionPolicy, "Retain", id);
    if (/S3::Bucket$|LogGroup$|DynamoDB|SQS::Queue$/.test(Type))
      assert.equal(DeletionPolicy, "Delete", id);
    assert.doesNotMatch(Type, /SSM::Parameter/, "secrets are not CloudFormation's to write");
  }
});
