//! What routes are sent. Bodies are read member by member, as JSON and as forms alike, and no struct
//! says what each may be; a test holds the running server against this.

use serde_json::{Value, json};
use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType,
    Type,
};

use super::{one_of, text, text_like};

/// A number, as text.
const NUMBER: &str = r"^([+-]?[0-9]{1,15}(\.[0-9]{1,15})?)?$";
/// What a form may name a value: multipart has no way to write other characters.
const NAME: &str = r#"^[^"\\\x00-\x1f\x7f]*$"#;

/// A body: the same members as JSON, and as a form, where every value is text.
pub struct Body {
    pub(super) name: &'static str,
    json: ObjectBuilder,
    form: ObjectBuilder,
}

impl Body {
    /// A body without members.
    #[must_use]
    pub fn new(name: &'static str, description: &str) -> Self {
        let object = || ObjectBuilder::new().description(Some(description));
        let others = AdditionalProperties::RefOr(text().into());
        Self {
            name,
            json: object(),
            form: object().additional_properties(Some(others)),
        }
    }

    /// The schemas: of JSON, of a form, and of a form in parts.
    pub(super) fn build(self) -> [Object; 3] {
        let form = self.form.build();
        let parts = ObjectBuilder::from(form.clone());
        let parts = parts.property_names(Some(text_like(NAME))).build();
        [self.json.build(), form, parts]
    }

    /// With a member.
    #[must_use]
    pub fn member(mut self, name: &str, description: &str, value: Member) -> Self {
        self.json = self.json.property(name, described(value.json, description));
        if let Some(form) = value.form {
            self.form = self.form.property(name, described(form, description));
        }
        self
    }

    /// With a member that has to be there.
    #[must_use]
    pub fn needs(self, name: &str, description: &str, value: Member) -> Self {
        let mut body = self.member(name, description, value);
        body.json = body.json.required(name);
        body.form = body.form.required(name);
        body
    }
}

/// What a member may be.
pub struct Member {
    json: Schema,
    /// `None` where a form cannot say it.
    form: Option<Schema>,
}

impl Member {
    fn new(json: impl Into<Schema>, form: impl Into<Schema>) -> Self {
        Self {
            json: json.into(),
            form: Some(form.into()),
        }
    }

    /// An address.
    #[must_use]
    pub fn email() -> Self {
        Self::new(email(&[Type::String]), email(&[Type::String]))
    }

    /// An address or nothing.
    #[must_use]
    pub fn perhaps_email() -> Self {
        Self::new(email(&[Type::String, Type::Null]), email(&[Type::String]))
    }

    /// Text, and nothing else.
    #[must_use]
    pub fn text() -> Self {
        Self::new(text(), text())
    }

    /// Text or nothing.
    #[must_use]
    pub fn perhaps_text() -> Self {
        Self::new(typed(&[Type::String, Type::Null]), text())
    }

    /// Text or a number: a row's id.
    #[must_use]
    pub fn row_id() -> Self {
        Self::new(typed(&[Type::String, Type::Number, Type::Null]), text())
    }

    /// Anything: what is not of the right form counts as not given.
    #[must_use]
    pub fn lenient() -> Self {
        Self::new(
            ObjectBuilder::new().schema_type(SchemaType::AnyValue),
            text(),
        )
    }

    /// A moment in RFC 3339, or nothing.
    #[must_use]
    pub fn perhaps_moment() -> Self {
        Self::new(moment(&[Type::String, Type::Null]), moment(&[Type::String]))
    }

    /// Any number of seconds; it is brought into range.
    #[must_use]
    pub fn seconds() -> Self {
        Self::new(seconds(), text_like(NUMBER))
    }

    /// True or false.
    #[must_use]
    pub fn flag() -> Self {
        let words = ["true", "false", ""];
        let values = [json!(true), json!(false), Value::Null];
        let all = values.into_iter().chain(words.map(Value::from));
        let json = ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .enum_values(Some(all));
        Self::new(json, one_of(&words))
    }

    /// One of these words.
    #[must_use]
    pub fn word(words: &[&str]) -> Self {
        let all = words.iter().copied().map(Value::from).chain([Value::Null]);
        let json = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .enum_values(Some(all));
        Self::new(json, one_of(words))
    }

    /// Figures by path.
    #[must_use]
    pub fn pages() -> Self {
        let figures = ObjectBuilder::new()
            .property("seconds", seconds())
            .property("scroll", seconds());
        let pages = typed(&[Type::Object, Type::Null]).additional_properties(Some(figures));
        Self {
            json: pages.into(),
            form: None,
        }
    }
}

/// What a browser reports, under this name.
#[must_use]
pub fn snapshot(name: &'static str, description: &str) -> Body {
    let description = format!(
        "{description}Everything in it is cumulative for the session, or relative to now. Numbers are rounded down and brought into range; empty text counts as not given."
    );
    Body::new(name, &description)
        .member(
            "session",
            "The row id of the session that the figures belong to; those of another one are ignored.",
            Member::row_id(),
        )
        .member(
            "activeSeconds",
            "How long the visitor looked, in the whole session.",
            Member::seconds(),
        )
        .member(
            "inactiveSeconds",
            "Since the visitor's last sign of life.",
            Member::seconds(),
        )
        .member(
            "seenSecondsAgo",
            "Since the visitor last looked.",
            Member::seconds(),
        )
        .member(
            "page",
            "The path of the page in front of the visitor.",
            Member::perhaps_text(),
        )
        .member(
            "pages",
            "Figures by path: `{\"/path/\": {\"seconds\": 300, \"scroll\": 85}}`.",
            Member::pages(),
        )
        .member(
            "leaving",
            "A beacon from a page that goes away: the answer sets and clears no cookie.",
            Member::flag(),
        )
}

fn email(types: &[Type]) -> ObjectBuilder {
    typed(types)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
        .max_length(Some(254))
}

fn moment(types: &[Type]) -> ObjectBuilder {
    typed(types).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

fn seconds() -> Schema {
    typed(&[Type::Number, Type::String, Type::Null])
        .pattern(Some(NUMBER))
        .into()
}

fn typed(types: &[Type]) -> ObjectBuilder {
    let types: SchemaType = match types {
        [one] => one.clone().into(),
        several => several.iter().cloned().collect(),
    };
    ObjectBuilder::new().schema_type(types)
}

fn described(schema: Schema, description: &str) -> Schema {
    match schema {
        Schema::Object(mut object) => {
            object.description = Some(description.to_owned());
            Schema::Object(object)
        }
        other => other,
    }
}
