"""Text that is not JSON, and JSON that few write, by kind; after the kinds of Nicolas Seriot's JSONTestSuite (n_ and y_).

What parsers may take or refuse as they like (i_) is left out, but for what Phoenix is known to do.
"""

from __future__ import annotations

from collections.abc import Mapping

NOT_JSON: Mapping[str, tuple[str, ...]] = {
    "numbers": (
        *(
            "-",
            "+1",
            "++1",
            "--1",
            "- 1",
            "01",
            "-01",
            "00",
            "012",
            "1.",
            "-2.",
            ".5",
            "-.5",
            "1.e1",
            "2.e+3",
        ),
        *(
            "1e",
            "1E",
            "1e+",
            "1E-",
            "0e",
            "0E+",
            "0.3e",
            "0.3e+",
            "1.0e-",
            "1eE2",
            "9.3e+e",
            "1e1.5",
            "0x",
            "0x1",
        ),
        *(
            "0b1",
            "0o7",
            "1_0",
            "1 000",
            "1+2",
            "1.2.3",
            "1a",
            "-1x",
            "-foo",
            "12a",
            "1e1e1",
            "１",
            "½",
            "∞",
        ),
        *("NaN", "-NaN", "nan", "Inf", "Infinity", "-Infinity", "+Infinity", "1L", "1.5f", "1n"),
    ),
    "strings": (
        *(
            '"',
            '"a',
            'a"',
            "'a'",
            "a",
            "\\u0061",
            '"\\"',
            '"\\a"',
            '"\\v"',
            '"\\0"',
            '"\\x41"',
            '"\\\'"',
            '"\\ "',
        ),
        *(
            '"\\U0041"',
            '"\\u"',
            '"\\u1"',
            '"\\u12"',
            '"\\u123"',
            '"\\u00G0"',
            '"\\u{41}"',
            '"\\u 041"',
            '"\\u+041"',
        ),
        *(
            '"\\é"',
            '"\\😀"',
            '"\n"',
            '"\r"',
            '"\t"',
            '"\b"',
            '"\x00"',
            '"\x01"',
            '"\x1f"',
            '"a\x00b"',
            '"a" "b"',
        ),
        *('"a""b"', '"a"b', "“a”", '"\\\n"', "`a`", 'r"a"', '"""a"""'),
    ),
    "arrays": (
        *(
            "[",
            "]",
            "[1",
            "1]",
            "[1}",
            "[1,",
            "[1,]",
            "[,1]",
            "[,]",
            "[1,,2]",
            "[1,,]",
            "[1 2]",
            "[1:2]",
            "[[]",
            "[]]",
        ),
        *(
            '["a",]',
            '["a" "b"]',
            '["a"',
            "[1;2]",
            "(1)",
            "[1,*]",
            "[a]",
            "[-]",
            "[3[4]]",
            "[\x0b]",
            "[1,\n1,\n1",
        ),
    ),
    "objects": (
        *('{"a":1,}', "{,}", '{"a"}', '{"a":}', "{:1}", '{"a" 1}', '{"a"::1}', "{a:1}", "{'a':1}", "{1:1}"),
        *(
            "{null:1}",
            '{"a":1 "b":2}',
            '{"a":1,,"b":2}',
            '{"a":1',
            '{"a":1]',
            '{"a",1}',
            '{"a":1}}',
            "{[]:1}",
        ),
        *(
            '{"a":1;"b":2}',
            '{"a"=1}',
            '{"a"=>1}',
            '{"a":1,,}',
            '{"a":"b"}#',
            '{"a":/**/1}',
            "{{}:1}",
            '{"a":1,"b"}',
        ),
        *('{"a":1,"b":}', '{"', '{"a', '{"a"', '{"a":', '{"a":"', "{", "}", '{"a":tru}', "{*:1}"),
    ),
    "literals": (
        *(
            "nul",
            "nulll",
            "tru",
            "truee",
            "fals",
            "falsee",
            "True",
            "False",
            "NULL",
            "Null",
            "None",
            "undefined",
        ),
        *(
            "truefalse",
            "true false",
            "<null>",
            "nil",
            "yes",
            "t",
            "f",
            "n",
            "@",
            "#",
            "$x",
            "\\",
            "//",
            "/**/",
            "?",
        ),
    ),
}
"""What may stand in the place of a value and makes the whole text no JSON."""

VALUES: tuple[str, ...] = (
    *(
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-0.0",
        "0.0",
        "1",
        "-1",
        "0.1",
        "-1.5e-3",
        "1e2",
        "1E+2",
        "1e-2",
        "20e1",
    ),
    *(
        "123456789012345678901234567890",
        "-9223372036854775809",
        "18446744073709551616",
        "0.30000000000000004",
    ),
    *('""', '"a"', '"é漢😀"', r'"\u00e9"', r'"\ud83d\ude00"', r'"\u0000"', r'"\u2028\u2029"', r'"\uffff"'),
    *(
        r'"\"\\\/\b\f\n\r\t"',
        '"\x7f"',
        '"\u2028"',
        '"\ufeff"',
        '"// no comment"',
        '"[1,2"',
        '"{"',
        r'"\\u0041"',
    ),
    *(
        "[]",
        "[ ]",
        "[null]",
        "[[[]]]",
        "[1,2,3]",
        '[1,"a",null,{},[]]',
        "[" * 40 + "]" * 40,
        "[1\n,\r2\t, 3 ]",
    ),
    *("{}", "{ }", '{"":0}', '{"a":{}}', '{"a":1,"b":2}', '{"a":1,"a":2}', r'{"\u0000":1}', '{"é":"漢"}'),
    *('{"a":' * 40 + "1" + "}" * 40, '{ "a" : [ 1 , { "b" : null } ] }', '"' + "x" * 5000 + '"'),
)
"""Valid values, each of its own kind."""


NOTHING: tuple[str, ...] = (" ", "\n", "\t", "\r\n", " \n ", "\x00", "\ufeff")
"""Text without a value."""

_OPENED = ("[", "{", '"', "-", "[[", "[{", "{[", '{"a":', "[" * 100, '{"a":' * 60, "[" * 100 + "]" * 99)
_RUBBISH = (
    "*",
    "<.>",
    "hello",
    "<message/>",
    "key: value",
    "(1)",
    "ÿ",
    "é",
    "漢",
    "😀",
    "\\",
    "/",
    "#",
    "?",
    "`",
)
_BEFORE = (
    "\ufeff",
    "// x\n",
    "/* x */",
    "# x\n",
    "\x0c",
    "\x0b",
    "\u00a0",
    "\u2028",
    "\x00",
    ",",
    "]",
    "x",
    ":",
)
_INSTEAD = (
    (",", ",\x0c"),
    (",", ",\u00a0"),
    (",", ";"),
    ('"', "'"),
    ('"', ""),
    (",", " "),
    ("[", "("),
    ("]", ")"),
)


def beginnings(message: str) -> tuple[str, ...]:
    """Return what begins like JSON and does not end: values that are opened, and a message cut anywhere."""
    return (*_OPENED, *(message[:cut] for cut in range(2, len(message))))


def rubbish(message: str) -> tuple[str, ...]:
    """Return what never was JSON, and a message with something before it or in the place of its signs."""
    exchanged = (message.replace(sign, other) for sign, other in _INSTEAD)
    return (*_RUBBISH, *(before + message for before in _BEFORE), *exchanged)


TRAILING: tuple[str, ...] = (
    *(
        " x",
        "x",
        "]",
        "}",
        ",",
        ",[]",
        "[]",
        "{}",
        '""',
        " 1",
        "\n[]",
        "null",
        "\x00",
        "\x0c",
        "\u00a0",
        "\ufeff",
        "#",
        " //",
    ),
    *("/**/", "\\", "'", '"', ":", ";", "]]", " \x00", "é"),
)
"""What may not stand behind a message; white space may."""
