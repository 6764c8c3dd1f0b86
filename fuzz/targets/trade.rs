//! Values of `raw-trades`. Whatever the bytes are: no panic; the quick scan and the general parser say the same; and a trade that
//! was read is read again from what we write of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tape_proto::trade::{decode_value, encode_json, encode_protobuf};

fuzz_target!(|value: &[u8]| {
    let decoded = decode_value(value);
    if value.first() == Some(&b'{') {
        // The scan takes only what begins with a brace: with a space before it the parser decides. Reasons name columns: their
        // codes are compared.
        let spaced = [b" ", value].concat();
        let parsed = decode_value(&spaced).map_err(|reject| reject.code());
        assert_eq!(decoded.clone().map_err(|reject| reject.code()), parsed, "scan and parser");
    }
    if let Ok(trade) = decoded {
        let mut written = Vec::new();
        encode_json(&trade, None, &mut written);
        assert_eq!(decode_value(&written).as_ref(), Ok(&trade), "JSON of our own");
        written.clear();
        encode_protobuf(&trade, None, &mut written);
        assert_eq!(decode_value(&written).as_ref(), Ok(&trade), "protobuf of our own");
    }
});
