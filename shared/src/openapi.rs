//! How the HTTP API is described for programs: the parts that an `OpenAPI` document is put together
//! of (<https://spec.openapis.org/oas/v3.1.1>). Each function describes its own routes beside its
//! handler; schemas of what is answered come from the structs that are answered.
//!
//! `lastseen openapi` prints the document, and a test holds a running server against it.

use http::StatusCode;
use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, Paths, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Ref, Schema, SchemaType, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Content, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathItem, RefOr, Required,
    Response, ResponseBuilder,
};

pub mod bodies;

use bodies::Body;

/// The content types of bodies that are read as named values; JSON comes as `text/plain`, too.
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data";
const PROBLEM: &str = "application/problem+json";

/// Named schemas, as `utoipa` collects them.
type Schemas = Vec<(String, RefOr<Schema>)>;

/// Who may call a route.
#[derive(Clone, Copy, Debug)]
pub enum Security {
    /// Everybody.
    Nobody,
    /// Everybody; a session's cookie changes the answer.
    PerhapsSession,
    /// Whoever has a session's cookie.
    Session,
    /// The owner, with the cookie or the token itself.
    Owner,
}

/// One method of one path.
pub struct Route {
    path: &'static str,
    method: HttpMethod,
    operation: OperationBuilder,
    schemas: Schemas,
}

impl Route {
    /// A route that answers `GET`.
    #[must_use]
    pub fn get(path: &'static str, id: &str, summary: &str) -> Self {
        Self::new(path, HttpMethod::Get, id, summary)
    }

    /// A route that answers `POST`.
    #[must_use]
    pub fn post(path: &'static str, id: &str, summary: &str) -> Self {
        Self::new(path, HttpMethod::Post, id, summary)
    }

    fn new(path: &'static str, method: HttpMethod, id: &str, summary: &str) -> Self {
        let operation = OperationBuilder::new()
            .operation_id(Some(id))
            .summary(Some(summary));
        Self {
            path,
            method,
            operation,
            schemas: Vec::new(),
        }
    }

    /// Changes what `utoipa` keeps of the route.
    #[must_use]
    fn map(mut self, change: impl FnOnce(OperationBuilder) -> OperationBuilder) -> Self {
        self.operation = change(self.operation);
        self
    }

    /// What the summary does not say.
    #[must_use]
    pub fn describe(self, text: &str) -> Self {
        self.map(|operation| operation.description(Some(text)))
    }

    /// Who may call it.
    #[must_use]
    pub fn security(self, security: Security) -> Self {
        let none = <[&str; 0]>::default;
        let one = |name: &str| SecurityRequirement::new(name, none());
        let any = match security {
            Security::Nobody => vec![],
            Security::PerhapsSession => vec![SecurityRequirement::default(), one("session")],
            Security::Session => vec![one("session")],
            Security::Owner => vec![one("ownersToken"), one("ownersCookie")],
        };
        self.map(|operation| operation.securities(Some(any)))
    }

    /// A part of the path, or a value of the query.
    #[must_use]
    pub fn parameter(
        self,
        place: ParameterIn,
        name: &str,
        description: &str,
        schema: impl Into<RefOr<Schema>>,
    ) -> Self {
        let required = match place {
            ParameterIn::Path => Required::True,
            _ => Required::False,
        };
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(required)
            .description(Some(description))
            .schema(Some(schema));
        self.map(|operation| operation.parameter(parameter))
    }

    /// An optional value of the query.
    #[must_use]
    pub fn query(self, name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        self.parameter(ParameterIn::Query, name, description, schema)
    }

    /// What it is sent.
    #[must_use]
    pub fn body(mut self, required: Required, sent: Body) -> Self {
        let name = sent.name;
        let [json, form, parts] = sent.build().map(|schema| Schema::Object(schema).into());
        let json = self.keep(name.to_owned(), json);
        let form = self.keep(format!("{name}Form"), form);
        let parts = self.keep(format!("{name}InParts"), parts);
        let body = RequestBodyBuilder::new()
            .required(Some(required))
            .content(JSON, Content::new(Some(json)))
            .content(FORM, Content::new(Some(form)))
            .content(PARTS, Content::new(Some(parts)))
            .build();
        self.map(|operation| operation.request_body(Some(body)))
    }

    /// An answer in JSON; `cookies` says what becomes of which.
    #[must_use]
    pub fn json<Body: ToSchema>(
        mut self,
        status: StatusCode,
        description: &str,
        cookies: Option<&str>,
    ) -> Self {
        let response = ResponseBuilder::new()
            .description(description)
            .content(JSON, Content::new(Some(self.answered::<Body>())));
        self.answer(status, with_cookies(response, cookies))
    }

    /// An answer of another type.
    #[must_use]
    pub fn text(self, status: StatusCode, description: &str, media_type: &str) -> Self {
        let text = Content::new(Some(text()));
        let response = ResponseBuilder::new()
            .description(description)
            .content(media_type, text);
        self.answer(status, response)
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(self, status: StatusCode, description: &str, cookies: Option<&str>) -> Self {
        let response = ResponseBuilder::new().description(description);
        self.answer(status, with_cookies(response, cookies))
    }

    /// An answer that leads elsewhere.
    #[must_use]
    pub fn redirect(self, status: StatusCode, description: &str, cookies: Option<&str>) -> Self {
        let location = HeaderBuilder::new()
            .schema(Some(text()))
            .description(Some("where to"))
            .build();
        let response = ResponseBuilder::new()
            .description(description)
            .header("Location", location);
        self.answer(status, with_cookies(response, cookies))
    }

    /// A problem (RFC 9457) with one of these codes.
    #[must_use]
    pub fn problem(self, status: StatusCode, codes: &[&str], description: &str) -> Self {
        self.problem_with(status, codes, description, &[])
    }

    /// The same with members of its own, which it always has.
    #[must_use]
    pub fn problem_with(
        self,
        status: StatusCode,
        codes: &[&str],
        description: &str,
        members: &[(&str, Schema)],
    ) -> Self {
        let mut schema = problem(status, codes);
        for (name, member) in members {
            schema = schema.property(*name, member.clone()).required(*name);
        }
        self.problem_of(status, description, schema)
    }

    /// The same with members that it has at times.
    #[must_use]
    pub fn problem_with_perhaps(
        self,
        status: StatusCode,
        codes: &[&str],
        description: &str,
        members: &[(&str, Schema)],
    ) -> Self {
        let mut schema = problem(status, codes);
        for (name, member) in members {
            schema = schema.property(*name, member.clone());
        }
        self.problem_of(status, description, schema)
    }

    fn problem_of(self, status: StatusCode, description: &str, schema: ObjectBuilder) -> Self {
        let mut response = ResponseBuilder::new()
            .description(description)
            .content(PROBLEM, Content::new(Some(schema)));
        if [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ]
        .contains(&status)
        {
            let seconds = HeaderBuilder::new()
                .schema(Some(whole(1)))
                .description(Some("in seconds"))
                .build();
            response = response.header("Retry-After", seconds);
        }
        self.answer(status, response)
    }

    /// What every route answers to whom another site sends, and to who comes around the site.
    #[must_use]
    pub fn refuses_strangers(self, codes: &[&str], also: &str) -> Self {
        let codes = [codes, &["cross-site", "not-through-the-site"]].concat();
        let description = format!(
            "{also}Sent by another site's page; or not sent by way of the site, where `EDGE_SECRET` is set."
        );
        self.problem(StatusCode::FORBIDDEN, &codes, &description)
    }

    /// The same of a route that may be led to from anywhere.
    #[must_use]
    pub fn refuses_calls_around(self) -> Self {
        self.problem(
            StatusCode::FORBIDDEN,
            &["not-through-the-site"],
            "Not sent by way of the site, where `EDGE_SECRET` is set.",
        )
    }

    /// What a route answers to a body that it cannot read.
    #[must_use]
    pub fn refuses_bodies(self, codes: &[&str], also: &str) -> Self {
        let codes = [codes, &["invalid-body"]].concat();
        let description =
            format!("{also}The body is not what its type says, or names one value twice.");
        self.problem(StatusCode::BAD_REQUEST, &codes, &description)
            .problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                &["too-large"],
                "The body is over 64 KiB.",
            )
            .problem(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                &["unsupported-type"],
                "The body is of another type, or of none.",
            )
    }

    /// What a route answers when too much is asked.
    #[must_use]
    pub fn limits(self) -> Self {
        self.problem(
            StatusCode::TOO_MANY_REQUESTS,
            &["limited"],
            "Too many of these; see Retry-After.",
        )
    }

    /// What a route answers when the store does not.
    #[must_use]
    pub fn needs_the_store(self) -> Self {
        self.problem(
            StatusCode::SERVICE_UNAVAILABLE,
            &["unavailable"],
            "The store does not answer; see Retry-After.",
        )
    }

    /// What an owner's route answers to anybody else.
    #[must_use]
    pub fn is_the_owners(self) -> Self {
        self.security(Security::Owner)
            .problem_with(
                StatusCode::UNAUTHORIZED,
                &["not-the-owner"],
                "Neither the owner's token nor a cookie of having shown it.",
                &[("reason", one_of(&["missing", "invalid", "expired"]))],
            )
            .limits()
            .refuses_strangers(&[], "")
    }

    fn answer(self, status: StatusCode, response: impl Into<Response>) -> Self {
        let response: Response = response.into();
        self.map(|operation| operation.response(status.as_str(), response))
    }

    /// The same of what is answered, where null is a value like others: such members are there always.
    fn answered<Named: ToSchema>(&mut self) -> RefOr<Schema> {
        let before = self.schemas.len();
        let named = self.named::<Named>();
        for (_, schema) in self.schemas.iter_mut().skip(before) {
            require_what_may_be_null(schema);
        }
        named
    }

    /// Keeps a named schema with all that it refers to, and refers to it.
    fn named<Named: ToSchema>(&mut self) -> RefOr<Schema> {
        Named::schemas(&mut self.schemas);
        self.keep(Named::name().into_owned(), Named::schema())
    }

    fn keep(&mut self, name: String, schema: RefOr<Schema>) -> RefOr<Schema> {
        let reference = Ref::from_schema_name(&name);
        self.schemas.push((name, schema));
        reference.into()
    }
}

fn require_what_may_be_null(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else {
        return;
    };
    let null = |schema: &RefOr<Schema>| matches!(schema, RefOr::T(Schema::Object(object)) if may_be_null(&object.schema_type));
    for (name, member) in &object.properties {
        let is_null_a_value = match member {
            RefOr::T(Schema::Array(array)) => may_be_null(&array.schema_type),
            RefOr::T(Schema::OneOf(one_of)) => one_of.items.iter().any(null),
            member => null(member),
        };
        if is_null_a_value && !object.required.contains(name) {
            object.required.push(name.clone());
        }
    }
}

fn may_be_null(schema_type: &SchemaType) -> bool {
    match schema_type {
        SchemaType::Type(one) => *one == Type::Null,
        SchemaType::Array(any) => any.contains(&Type::Null),
        SchemaType::AnyValue => false,
    }
}

fn with_cookies(response: ResponseBuilder, cookies: Option<&str>) -> ResponseBuilder {
    match cookies {
        None => response,
        Some(description) => response.header(
            "Set-Cookie",
            HeaderBuilder::new()
                .schema(Some(text()))
                .description(Some(description))
                .build(),
        ),
    }
}

fn problem(status: StatusCode, codes: &[&str]) -> ObjectBuilder {
    let title = status.canonical_reason().unwrap_or_default();
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .enum_values(Some([status.as_u16()]));
    let code = one_of(codes);
    [
        ("title", one_of(&[title])),
        ("status", number.into()),
        ("code", code),
        ("detail", text()),
    ]
    .into_iter()
    .fold(ObjectBuilder::new(), |schema, (name, member)| {
        schema.property(name, member).required(name)
    })
}

/// Any text.
#[must_use]
pub fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// Text of this form, by a regular expression.
#[must_use]
pub fn text_like(pattern: &str) -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .into()
}

/// One of these words.
#[must_use]
pub fn one_of(words: &[&str]) -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words.iter().copied()))
        .into()
}

/// A whole number that is not less than this.
#[must_use]
pub fn whole(least: u32) -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(least))
        .into()
}

/// True or false.
#[must_use]
pub fn flag() -> Schema {
    ObjectBuilder::new().schema_type(Type::Boolean).into()
}

/// The whole document, of the routes of all functions.
#[must_use]
pub fn document(routes: impl IntoIterator<Item = Route>) -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas = Schemas::new();
    for route in routes {
        let item = PathItem::new(route.method, route.operation);
        paths = PathsBuilder::from(paths).path(route.path, item).build();
        schemas.extend(route.schemas);
    }
    let components = ComponentsBuilder::new().schemas_from_iter(schemas);
    let components = [
        ("session", cookie("__Host-lastseen", SESSION)),
        ("ownersCookie", cookie("__Host-lastseen-admin", OWNER)),
        ("ownersToken", token()),
    ]
    .into_iter()
    .fold(components, |all, (name, scheme)| {
        all.security_scheme(name, scheme)
    });
    let info = InfoBuilder::new()
        .title("lastseen")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(
            LicenseBuilder::new()
                .name("MIT")
                .identifier(Some("MIT"))
                .build(),
        ));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

const ABOUT: &str = "\
A gate, a clock and a lock for confidential pages on a static site. docs/api.md has the same with examples.

Every answer has `Cache-Control: no-store`. Methods that a route does not have are answered with `405` and `Allow`. \
`lastseen serve` answers `408` to a request that takes longer than 30 seconds. Bodies are also read as JSON from \
`text/plain`, which is what beacons send; an empty body is an empty set of values; members that are not named here are \
ignored.";
const SESSION: &str = "A visitor's session. Named `lastseen` where COOKIE_SECURE is false.";
const OWNER: &str = "\
What the owner has who signed in. Named `lastseen-admin` where COOKIE_SECURE is false.";

fn cookie(name: &str, description: &str) -> SecurityScheme {
    SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
        name,
        description,
    )))
}

fn token() -> SecurityScheme {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The setting ADMIN_TOKEN"));
    SecurityScheme::Http(scheme.build())
}
