//! As much CBOR (RFC 8949) as CloudWatch's protocol needs, to and from JSON values. A time is `{"time": seconds}`.

use serde_json::{Map, Number, Value, json};

/// A value as CBOR.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(flag) => out.push(if *flag { 0xf5 } else { 0xf4 }),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => {
            head(3, text.len(), out);
            out.extend(text.bytes());
        }
        Value::Array(items) => {
            head(4, items.len(), out);
            items.iter().for_each(|item| write(item, out));
        }
        Value::Object(fields) => match fields.get("time") {
            Some(seconds) => {
                head(6, 1, out);
                write(seconds, out);
            }
            None => {
                head(5, fields.len(), out);
                for (name, field) in fields {
                    write(&Value::String(name.clone()), out);
                    write(field, out);
                }
            }
        },
    }
}

fn write_number(number: &Number, out: &mut Vec<u8>) {
    match number.as_u64().and_then(|n| usize::try_from(n).ok()) {
        Some(n) => head(0, n, out),
        None => {
            out.push(0xfb);
            out.extend(number.as_f64().unwrap_or(f64::NAN).to_be_bytes());
        }
    }
}

fn head(major: u8, length: usize, out: &mut Vec<u8>) {
    match u8::try_from(length) {
        Ok(short @ 0..=23) => out.push(major << 5 | short),
        _ => {
            out.push(major << 5 | 27);
            out.extend(u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
}

/// CBOR as a value; what cannot be read is null.
pub(crate) fn decode(bytes: &[u8]) -> Value {
    Reader(bytes).value().unwrap_or_default()
}

struct Reader<'a>(&'a [u8]);

const BREAK: u8 = 0xff;

impl Reader<'_> {
    fn value(&mut self) -> Option<Value> {
        let first = self.byte()?;
        let (major, info) = (first >> 5, first & 0x1f);
        let indefinite = info == 31;
        Some(match major {
            0 => json!(self.number(info)?),
            1 => json!(-1 - i64::try_from(self.number(info)?).ok()?),
            3 => {
                let length = usize::try_from(self.number(info)?).ok()?;
                Value::String(String::from_utf8_lossy(self.take(length)?).into_owned())
            }
            4 if indefinite => self.until_break()?.into(),
            4 => (0..self.number(info)?).map(|_| self.value()).collect::<Option<Vec<_>>>()?.into(),
            5 if indefinite => pairs(self.until_break()?),
            5 => pairs((0..self.number(info)? * 2).map(|_| self.value()).collect::<Option<Vec<_>>>()?),
            6 => {
                self.number(info)?;
                json!({ "time": self.value()? })
            }
            7 => self.simple(info)?,
            _ => return None,
        })
    }

    fn simple(&mut self, info: u8) -> Option<Value> {
        Some(match info {
            20 => Value::Bool(false),
            21 => Value::Bool(true),
            26 => json!(f32::from_be_bytes(self.take(4)?.try_into().ok()?)),
            27 => json!(f64::from_be_bytes(self.take(8)?.try_into().ok()?)),
            _ => Value::Null,
        })
    }

    fn until_break(&mut self) -> Option<Vec<Value>> {
        let mut items = Vec::new();
        while *self.0.first()? != BREAK {
            items.push(self.value()?);
        }
        self.byte()?;
        Some(items)
    }

    fn number(&mut self, info: u8) -> Option<u64> {
        let length = match info {
            0..=23 => return Some(u64::from(info)),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return None,
        };
        Some(self.take(length)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

fn pairs(items: Vec<Value>) -> Value {
    let mut fields = Map::new();
    let mut items = items.into_iter();
    while let (Some(name), Some(field)) = (items.next(), items.next()) {
        fields.insert(name.as_str().unwrap_or_default().to_owned(), field);
    }
    Value::Object(fields)
}

#[test]
fn what_is_written_is_read_back() {
    let value = json!({ "a": [1, 2.5, "text", true, null], "b": { "time": 1_000_000 }, "c": "x".repeat(300), "d": 70_000 });
    assert_eq!(decode(&encode(&value)), value);
}
