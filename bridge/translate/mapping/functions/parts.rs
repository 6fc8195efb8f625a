//! What each function makes of which part of its inputs: for the coverage of a set, which tells what becomes
//! of a component. Kept true by a test that changes one component after the other and looks at what else does.

use super::super::plan::Shape;
use super::{OPS, Op};

/// One part of an input and the element that it ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Which path of `from`, from 1.
    pub(crate) input: usize,
    /// Component and subcomponent; empty = all of it.
    pub(crate) at: &'static [u16],
    /// The element, below the target; empty = the target itself. Behind `[x]` the name of the type first.
    pub(crate) below: &'static str,
}

macro_rules! parts {
    ($name:ident: $($input:literal [$($at:literal),*] $below:literal),* $(,)?) => {
        const $name: &[Part] = &[$(Part { input: $input, at: &[$($at),*], below: $below }),*];
    };
}

parts![WHOLE: 1 [] ""];
parts![CONCEPT:
    1 [1] "coding.code", 1 [2] "coding.display", 1 [3] "coding.system",
    1 [4] "coding.code", 1 [5] "coding.display", 1 [6] "coding.system",
    1 [10] "coding.code", 1 [11] "coding.display", 1 [12] "coding.system",
    1 [2] "text", 1 [5] "text", 1 [9] "text"];
parts![CODING:
    1 [1] "code", 1 [2] "display", 1 [3] "system",
    1 [4] "code", 1 [5] "display", 1 [6] "system",
    1 [10] "code", 1 [11] "display", 1 [12] "system"];
// Of a ZRD the amount and its unit stand at 4 and 5, and no second coding.
parts![ARTICLE: 1 [1] "coding.code", 1 [2] "coding.display", 1 [3] "coding.system", 1 [2] "text"];
parts![ARTICLE_CODING: 1 [1] "code", 1 [2] "display", 1 [3] "system"];
parts![LINES: 1 [] "", 2 [] "", 3 [] "", 4 [] "", 5 [] "", 6 [] "", 7 [] "", 8 [] ""];
parts![INSURED: 1 [] "", 2 [] "", 3 [] "", 4 [] ""];
parts![CODE: 1 [1] "", 1 [4] ""];
parts![PATIENT: 1 [1] "value"];
parts![QUANTITY:
    1 [] "value",
    2 [1] "code", 2 [2] "code", 2 [4] "code", 2 [5] "code",
    2 [1] "unit", 2 [2] "unit", 2 [4] "unit", 2 [5] "unit",
    2 [3] "system", 2 [6] "system"];
parts![CQ:
    1 [1] "value",
    1 [2, 1] "code", 1 [2, 2] "code", 1 [2, 4] "code", 1 [2, 5] "code",
    1 [2, 1] "unit", 1 [2, 2] "unit", 1 [2, 4] "unit", 1 [2, 5] "unit",
    1 [2, 3] "system", 1 [2, 6] "system"];
parts![DURATION: 1 [1] "value", 1 [2, 1] "code", 1 [2, 1] "unit", 1 [2, 2] "code", 1 [2, 2] "unit"];
parts![PER_TIME:
    1 [] "numerator.value",
    2 [1] "numerator.code", 2 [2] "numerator.code", 2 [4] "numerator.code", 2 [5] "numerator.code",
    2 [1] "numerator.unit", 2 [2] "numerator.unit", 2 [4] "numerator.unit", 2 [5] "numerator.unit",
    2 [1] "numerator.system", 2 [2] "numerator.system", 2 [3] "numerator.system", 2 [6] "numerator.system",
    2 [1] "denominator.code", 2 [2] "denominator.code", 2 [1] "denominator.unit", 2 [2] "denominator.unit",
    3 [] "denominator.value", 3 [] "denominator.code", 3 [] "denominator.unit"];
parts![PER_DAY:
    1 [1] "numerator.value",
    1 [2, 1] "numerator.code", 1 [2, 2] "numerator.code", 1 [2, 4] "numerator.code", 1 [2, 5] "numerator.code",
    1 [2, 1] "numerator.unit", 1 [2, 2] "numerator.unit", 1 [2, 4] "numerator.unit", 1 [2, 5] "numerator.unit",
    1 [2, 3] "numerator.system", 1 [2, 6] "numerator.system"];
parts![PER_ADMINISTRATION:
    1 [] "numerator.value",
    2 [1] "numerator.code", 2 [2] "numerator.code", 2 [4] "numerator.code", 2 [5] "numerator.code",
    2 [1] "numerator.unit", 2 [2] "numerator.unit", 2 [4] "numerator.unit", 2 [5] "numerator.unit",
    2 [3] "numerator.system", 2 [6] "numerator.system"];
parts![OBX:
    1 [] "Quantity.value", 1 [] "Quantity.comparator", 1 [] "String",
    1 [1] "CodeableConcept.coding.code", 1 [2] "CodeableConcept.coding.display",
    1 [3] "CodeableConcept.coding.system", 1 [4] "CodeableConcept.coding.code",
    1 [5] "CodeableConcept.coding.display", 1 [6] "CodeableConcept.coding.system",
    1 [10] "CodeableConcept.coding.code", 1 [11] "CodeableConcept.coding.display",
    1 [12] "CodeableConcept.coding.system",
    1 [2] "CodeableConcept.text", 1 [5] "CodeableConcept.text", 1 [9] "CodeableConcept.text",
    // OBX-2 says which of them it is.
    2 [] "",
    3 [1] "Quantity.code", 3 [2] "Quantity.code", 3 [4] "Quantity.code", 3 [5] "Quantity.code",
    3 [1] "Quantity.unit", 3 [2] "Quantity.unit", 3 [4] "Quantity.unit", 3 [5] "Quantity.unit",
    3 [3] "Quantity.system", 3 [6] "Quantity.system",
    // A range is a text, with its unit in it.
    3 [1] "String", 3 [2] "String", 3 [4] "String", 3 [5] "String"];
parts![RANGE:
    1 [] "low.value", 1 [] "high.value", 1 [] "text",
    2 [1] "low.code", 2 [2] "low.code", 2 [4] "low.code", 2 [5] "low.code",
    2 [1] "low.unit", 2 [2] "low.unit", 2 [4] "low.unit", 2 [5] "low.unit",
    2 [3] "low.system", 2 [6] "low.system",
    2 [1] "high.code", 2 [2] "high.code", 2 [4] "high.code", 2 [5] "high.code",
    2 [1] "high.unit", 2 [2] "high.unit", 2 [4] "high.unit", 2 [5] "high.unit",
    2 [3] "high.system", 2 [6] "high.system"];
parts![PERIOD: 1 [] "start", 2 [] "end"];
parts![TIMING:
    1 [1] "code.coding.code", 1 [2] "code.coding.display", 1 [3] "code.coding.system",
    1 [4] "code.coding.code", 1 [5] "code.coding.display", 1 [6] "code.coding.system",
    1 [10] "code.coding.code", 1 [11] "code.coding.display", 1 [12] "code.coding.system",
    1 [2] "code.text", 1 [5] "code.text", 1 [9] "code.text"];
parts![XTN_PARTS:
    1 [1] "value", 1 [4] "value", 1 [6] "value", 1 [7] "value", 1 [12] "value",
    1 [1] "system", 1 [2] "system", 1 [3] "system", 1 [12] "system",
    1 [2] "use", 1 [3] "use",
    // NET says that it is a mail address.
    1 [2] "value"];
parts![XAD_PARTS:
    1 [1] "text", 1 [2] "text", 1 [3] "text", 1 [4] "text", 1 [8] "text",
    1 [1] "line", 1 [2] "line", 1 [3] "line", 1 [4] "line", 1 [8] "line",
    1 [3] "city", 1 [4] "state", 1 [5] "postalCode", 1 [6] "country", 1 [7] "use"];

/// What a function makes of which part, for a target of that shape.
pub(crate) fn parts(n: usize, shape: Shape) -> &'static [Part] {
    match (OPS[n], shape) {
        (Op::Cwe, Shape::Text) => CODE,
        (Op::Cwe, Shape::Coding) | (Op::CweCodings | Op::Coding, _) => CODING,
        (Op::Cwe, _) => CONCEPT,
        (Op::ZrdCode, Shape::Coding) => ARTICLE_CODING,
        (Op::ZrdCode, _) => ARTICLE,
        (Op::Lines, _) => LINES,
        (Op::InsuredId, _) => INSURED,
        (Op::CxPatient, _) => PATIENT,
        (Op::Quantity | Op::QuantityDose, _) => QUANTITY,
        (Op::QuantityCq, _) => CQ,
        (Op::QuantityDuration, _) => DURATION,
        (Op::RatioPerTime, _) => PER_TIME,
        (Op::RatioPerDay, _) => PER_DAY,
        (Op::RatioPerAdministration, _) => PER_ADMINISTRATION,
        (Op::ObxValue, _) => OBX,
        (Op::ReferenceRange, _) => RANGE,
        (Op::Period, _) => PERIOD,
        (Op::TimingJami, _) => TIMING,
        (Op::Xtn, _) => XTN_PARTS,
        (Op::Xad, _) => XAD_PARTS,
        _ => WHOLE,
    }
}

/// Whether what is made of a part is put together with other parts, or is said otherwise than the message says it.
pub(crate) fn is_joined(n: usize, part: &Part) -> bool {
    match (OPS[n], part.at, part.below) {
        // State, city and street become one line; XAD.8 is one already. JPN is said as JP.
        (Op::Xad, at, "text" | "line") => at != [8],
        (Op::Xad, _, "country") => true,
        // An area code and a number become one, without the country and the extension.
        (Op::Xtn, [6 | 7], "value") => true,
        // The unit behind a range.
        (Op::ObxValue, _, "String") => part.input == 3,
        _ => false,
    }
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
