import Commands
import Testing

/// What templates give. The expected texts of the two large tables were made by Go's own text/template, with docker's
/// functions, from the same value; where a type is named, ours says `int` for every width.
@Suite struct TemplateTests {
    static let image = Value.record(
        "*example.Image",
        [
            .always("Id", .string("sha256:4bcff63911fc")),
            .always("RepoTags", .strings(["alpine:3.15", "alpine:latest"])),
            .always("Config", config),
            .always(
                "RootFS",
                .record(
                    "example.RootFS",
                    [.always("Type", .string("layers")), .always("Layers", .strings(["sha256:aa", "sha256:bb"]))])),
            .always("Size", .int(5_585_772)),
            .always("Ratio", .double(0.5)),
            .always("Ok", .bool(true)),
            .always(
                "Any",
                .map([
                    "s": .string("text"), "n": .null, "i": .int(7), "l": .list([.int(1), .string("x"), .null]),
                    "m": .map(["k": .string("v")]),
                ])),
        ])

    static let config = Value.record(
        "*example.Config",
        [
            .always("Env", .strings(["PATH=/bin", "A=<b>&c"])),
            .always("Cmd", .strings(["/bin/sh"])),
            .always("Labels", .strings(["a": "1", "b": "2"])),
            .always("ExposedPorts", .map(["80/tcp": .record("struct {}", [])])),
            .always("WorkingDir", .string("")),
            .always("OnBuild", .nilList),
            .always("Volumes", .nilMap),
        ])

    static let outputs: [(String, String)] = [
        ("{{.Id}}", "sha256:4bcff63911fc"),
        ("plain text", "plain text"),
        (
            "{{json .Config}}",
            #"{"Env":["PATH=/bin","A=<b>&c"],"Cmd":["/bin/sh"],"Labels":{"a":"1","b":"2"},"ExposedPorts":{"80/tcp":{}},"WorkingDir":"","OnBuild":null,"Volumes":null}"#
        ),
        (
            "{{json .}}",
            #"{"Id":"sha256:4bcff63911fc","RepoTags":["alpine:3.15","alpine:latest"],"Config":{"Env":["PATH=/bin","A=<b>&c"],"Cmd":["/bin/sh"],"Labels":{"a":"1","b":"2"},"ExposedPorts":{"80/tcp":{}},"WorkingDir":"","OnBuild":null,"Volumes":null},"RootFS":{"Type":"layers","Layers":["sha256:aa","sha256:bb"]},"Size":5585772,"Ratio":0.5,"Ok":true,"Any":{"i":7,"l":[1,"x",null],"m":{"k":"v"},"n":null,"s":"text"}}"#
        ),
        ("{{range .RootFS.Layers}}{{println .}}{{end}}", "sha256:aa\nsha256:bb\n"),
        ("{{index .RepoTags 0}}", "alpine:3.15"),
        (#"{{index .RepoTags 1}} {{index .Config.Labels "a"}} {{index .Config.Labels "z"}}|"#, "alpine:latest 1 |"),
        (#"{{index .Any "l" 1}}"#, "x"),
        (#"{{join .RepoTags ", "}}"#, "alpine:3.15, alpine:latest"),
        (#"{{join .Config.Labels "+"}}"#, "1+2"),
        (
            #"{{upper .Id}} {{lower "ABC"}} {{title "hello wide-world o'neil"}}"#,
            "SHA256:4BCFF63911FC abc Hello Wide-World O'Neil"
        ),
        (#"{{split .Id ":"}}"#, "[sha256 4bcff63911fc]"),
        (#"{{index (split .Id ":") 1}}"#, "4bcff63911fc"),
        (#"{{range split "a,b,c" ","}}<{{.}}>{{end}}"#, "<a><b><c>"),
        (#"{{pad .Id 2 3}}| {{pad "" 2 3}}|"#, "  sha256:4bcff63911fc   | |"),
        (#"{{truncate .Id 6}} {{truncate "ab" 6}}"#, "sha256 ab"),
        ("{{.Size}} {{.Ratio}} {{.Ok}}", "5585772 0.5 true"),
        (
            "{{.Config.Labels}} {{.Config.ExposedPorts}} {{.Config.OnBuild}} {{.Config.Volumes}} {{.RootFS}}",
            "map[a:1 b:2] map[80/tcp:{}] [] map[] {layers [sha256:aa sha256:bb]}"
        ),
        ("{{.Any}}", "map[i:7 l:[1 x <nil>] m:map[k:v] n:<nil> s:text]"),
        (
            "{{.Any.s}} {{.Any.zzz}} {{.Any.n}} {{.Any.m.k}} {{.Any.zzz.deeper}}",
            "text <no value> <no value> v <no value>"
        ),
        ("{{.Config.Labels.a}} {{.Config.Labels.none}}", "1 <no value>"),
        (
            "{{json .Config.OnBuild}} {{json .Config.Volumes}} {{json .Any}}",
            #"null null {"i":7,"l":[1,"x",null],"m":{"k":"v"},"n":null,"s":"text"}"#
        ),
        ("{{if .Ok}}yes{{else}}no{{end}}", "yes"),
        ("{{if .Config.WorkingDir}}wd{{else if eq .Size 5585772}}size{{else}}none{{end}}", "size"),
        ("{{if and .Ok (gt .Size 100) (lt .Size 1000)}}a{{else}}b{{end}}", "b"),
        (#"{{and 1 0 2}} {{or 0 "" "x"}} {{not .Ok}} {{or .Config.WorkingDir "/"}}"#, "0 x false /"),
        ("{{with .Config.WorkingDir}}{{.}}{{else}}empty{{end}}", "empty"),
        ("{{with $c := .Config}}{{$c.WorkingDir}}{{range $c.Cmd}}{{.}}{{end}}{{end}}", "/bin/sh"),
        ("{{with .Config}}{{$.Id}}{{end}}", "sha256:4bcff63911fc"),
        ("{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}", "12"),
        ("{{$x := 1}}{{if .Ok}}{{$x = 5}}{{end}}{{$x}}", "5"),
        ("{{$x := 1}}{{if .Ok}}{{$x := 5}}{{$x}}{{end}}{{$x}}", "51"),
        ("{{range $i, $e := .RepoTags}}{{$i}}={{$e}};{{end}}", "0=alpine:3.15;1=alpine:latest;"),
        ("{{range $e := .RepoTags}}{{$e}};{{end}}", "alpine:3.15;alpine:latest;"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a=1;b=2;"),
        ("{{range .Config.OnBuild}}x{{else}}nothing{{end}}", "nothing"),
        (#"{{range .RepoTags}}{{if eq . "alpine:latest"}}{{break}}{{end}}{{.}}{{end}}"#, "alpine:3.15"),
        (#"{{range .RepoTags}}{{if eq . "alpine:3.15"}}{{continue}}{{end}}{{.}}{{end}}"#, "alpine:latest"),
        ("a {{- .Ok -}} b", "atrueb"),
        ("a  {{- /* comment */ -}}  b", "ab"),
        ("a {{/* comment */}} b", "a  b"),
        (
            #"{{"quoted \"text\"\t\u00e9\x41"}} {{`raw \n`}} {{'a'}} {{0x10}} {{1_000}} {{-3}} {{1.5}} {{1e3}} {{0b11}} {{0o17}} {{017}}"#,
            "quoted \"text\"\téA raw \\n 97 16 1000 -3 1.5 1000 3 15 15"
        ),
        (#"{{print 1 2 "x" "y" 3}}|{{println 1 "a"}}|{{print "a" 1}}"#, "1 2xy3|1 a\n|a1"),
        (
            #"{{printf "%s|%10s|%-10s|%.3s|%q|%x" "abc" "abc" "abc" "abcdef" "a\"b" "hi"}}"#,
            #"abc|       abc|abc       |abc|"a\"b"|6869"#
        ),
        (
            #"{{printf "%d|%5d|%-5d|%05d|%+d|%x|%X|%o|%b|%c|%q|%U" 42 42 42 42 42 255 255 8 5 65 65 65}}"#,
            "42|   42|42   |00042|+42|ff|FF|10|101|A|'A'|U+0041"
        ),
        (
            #"{{printf "%v %v %v %v" .RepoTags .Config.Labels .Ok 1.25}}"#,
            "[alpine:3.15 alpine:latest] map[a:1 b:2] true 1.25"
        ),
        (
            #"{{printf "%t %f %.2f %8.3f %e %g %5.1f%%" true 1.5 2.345 3.14159 12345.678 1e21 99.5}}"#,
            "true 1.500000 2.35    3.142 1.234568e+04 1e+21  99.5%"
        ),
        (#"{{printf "%*d|%-*d|" 5 42 6 7}}"#, "   42|7     |"),
        (
            #"{{printf "%s" .RepoTags}} {{printf "%q" .RepoTags}} {{printf "%d" .Any.l}}"#,
            #"[alpine:3.15 alpine:latest] ["alpine:3.15" "alpine:latest"] [1 %!d(string=x) <nil>]"#
        ),
        (#"{{printf "%T %T %T" 1 "a" .RepoTags}}"#, "int string []string"),
        (#"{{printf "%6.2f|%-8t|%08.3f|% d" 3.14159 true 3.14159 7}}"#, "  3.14|true    |0003.142| 7"),
        (#"{{printf "%#x %#o %x" 255 8 "a b"}}"#, "0xff 010 612062"),
        (#"{{.Size | printf "%d bytes"}}"#, "5585772 bytes"),
        ("{{len .RepoTags}} {{len .Id}} {{len .Config.Labels}}", "2 19 2"),
        (
            "{{slice .Id 7}} {{slice .Id 0 6}} {{slice .RepoTags 1}} {{slice .RepoTags 0 1}}",
            "4bcff63911fc sha256 [alpine:latest] [alpine:3.15]"
        ),
        (
            #"{{eq 1 1}} {{eq "a" "b" "a"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 3 2}} {{ge 2 3}} {{lt "a" "b"}} {{lt 1.5 2.5}}"#,
            "true true true true true true false true true"
        ),
        ("{{eq .Any.n nil}} {{eq .Any.zzz nil}}", "true true"),
        (#"{{(index .RepoTags 0) | upper}} {{(.Config).WorkingDir}}|{{(index .Any "m").k}}"#, "ALPINE:3.15 |v"),
        (#"{{template "x" .}}{{define "x"}}[{{.Id}}]{{end}}"#, "[sha256:4bcff63911fc]"),
        (#"{{define "x"}}[{{.}}]{{end}}{{template "x"}}{{template "x" 3}}"#, "[<no value>][3]"),
        (#"{{block "b" .Size}}<{{.}}>{{end}}"#, "<5585772>"),
        ("{{range .RepoTags}}{{.}}\n{{end}}", "alpine:3.15\nalpine:latest\n"),
        ("{{- .Ok}} {{.Ok -}} x", "true truex"),
        ("{{ .Ok }}\n{{- \"x\"}}", "truex"),
        ("{{/* a */ -}}   x", "x"),
        (#"{{printf "%v" nil}} {{println .Any.n .Any.zzz}}"#, "<nil> <nil> <nil>\n"),
        (#"{{join .Any.l "-"}}"#, "1-x-<nil>"),
        (#"{{.Id | printf "%s-%s" "x"}}"#, "x-sha256:4bcff63911fc"),
        (#"{{"a" | printf "%s" | printf "[%s]" | upper}}"#, "[A]"),
        (#"{{printf "%5s|%5q|%-5v|" "é" "é" true}}"#, #"    é|  "é"|true |"#),
        (#"{{printf "%05s|%-05d|" "ab" 7}}"#, "000ab|7    |"),
        (
            #"{{printf "%x" -255}} {{printf "%+.2e" 1234.5}} {{printf "%g" 100000.0}} {{1e20}} {{1e21}} {{0.00001}} {{123456789.0}}"#,
            "-ff +1.23e+03 100000 1e+20 1e+21 1e-05 1.23456789e+08"
        ),
    ]

    @Test(arguments: outputs)
    func rendersAsGo(template: String, expected: String) throws {
        let output = try Template(template).render(Self.image)
        #expect(output == expected)
    }

    static let failures: [(String, String)] = [
        (
            "{{index .RepoTags 5}}",
            #"template: :1:2: executing "" at <index .RepoTags 5>: error calling index: index out of range: 5"#
        ),
        (
            "{{index .RepoTags 2}}",
            #"template: :1:2: executing "" at <index .RepoTags 2>: error calling index: reflect: slice index out of range"#
        ),
        (
            #"{{index .RepoTags "x"}}"#,
            #"template: :1:2: executing "" at <index .RepoTags "x">: error calling index: cannot index slice/array with type string"#
        ),
        (
            #"{{.RepoTags | join ","}}"#,
            #"template: :1:19: executing "" at <",">: wrong type for value; expected string; got []string"#
        ),
        (
            #"{{join .Id ","}}"#,
            #"template: :1:2: executing "" at <join .Id ",">: error calling join: expected slice, got string"#
        ),
        (
            "{{range .Id}}x{{end}}",
            #"template: :1:8: executing "" at <.Id>: range can't iterate over sha256:4bcff63911fc"#
        ),
        ("{{len .Size}}", #"template: :1:2: executing "" at <len .Size>: error calling len: len of type int"#),
        (
            "{{slice .Id 90}}",
            #"template: :1:2: executing "" at <slice .Id 90>: error calling slice: index out of range: 90"#
        ),
        (
            "{{slice .Id 5 2}}",
            #"template: :1:2: executing "" at <slice .Id 5 2>: error calling slice: invalid slice index: 5 > 2"#
        ),
        (
            #"{{eq 1 "a"}}"#,
            #"template: :1:2: executing "" at <eq 1 "a">: error calling eq: incompatible types for comparison"#
        ),
        (
            #"{{lt 1 "a"}}"#,
            #"template: :1:2: executing "" at <lt 1 "a">: error calling lt: incompatible types for comparison"#
        ),
        (
            "{{lt .Ok .Ok}}",
            #"template: :1:2: executing "" at <lt .Ok .Ok>: error calling lt: invalid type for comparison"#
        ),
        (
            "{{eq .RepoTags .RepoTags}}",
            #"template: :1:2: executing "" at <eq .RepoTags .RepoTags>: error calling eq: non-comparable type [alpine:3.15 alpine:latest]: []string"#
        ),
        (
            #"{{template "none"}}"#,
            #"template: :1:11: executing "" at <{{template "none"}}>: template "none" not defined"#
        ),
        ("{{true}} {{false}} {{nil}}", #"template: :1:21: executing "" at <nil>: nil is not a command"#),
        ("{{.Nope}}", #"template: :1:2: executing "" at <.Nope>: can't evaluate field Nope in type *example.Image"#),
        (
            "{{.Config.Nope}}",
            #"template: :1:9: executing "" at <.Config.Nope>: can't evaluate field Nope in type *example.Config"#
        ),
        (
            "{{.Config.Labels.a.b}}",
            #"template: :1:9: executing "" at <.Config.Labels.a.b>: can't evaluate field b in type string"#
        ),
        ("{{.Id.Foo}}", #"template: :1:5: executing "" at <.Id.Foo>: can't evaluate field Foo in type string"#),
        (
            "{{ .Config.Nope.Deep }}",
            #"template: :1:10: executing "" at <.Config.Nope.Deep>: can't evaluate field Nope in type *example.Config"#
        ),
        (
            "line\n {{.Nope}}",
            #"template: :2:3: executing "" at <.Nope>: can't evaluate field Nope in type *example.Image"#
        ),
        ("{{foo}}", #"template: :1: function "foo" not defined"#),
        ("{{.Id", "template: :1: unclosed action"),
        ("{{.Id}", "template: :1: bad character U+007D '}'"),
        (#"{{"abc}}"#, "template: :1: unterminated quoted string"),
        ("{{`abc}}", "template: :1: unterminated raw quoted string"),
        ("{{if .Ok}}x", "template: :1: unexpected EOF"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{else}}", "template: :1: unexpected {{else}}"),
        ("{{if}}x{{end}}", "template: :1: missing value for if"),
        ("{{range}}x{{end}}", "template: :1: missing value for range"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{| .Id}}", #"template: :1: unexpected "|" in command"#),
        ("{{.Id | 3}}", "template: :1: non executable command in pipeline stage 2"),
        ("{{$y}}", #"template: :1: undefined variable "$y""#),
        ("{{break}}", "template: :1: {{break}} outside {{range}}"),
        ("{{.Id .Ok}}", #"template: :1:2: executing "" at <.Id>: Id has arguments but cannot be invoked as function"#),
        ("{{.Id#}}", "template: :1: bad character U+0023 '#'"),
        ("{{#}}", "template: :1: unexpected \"#\" in command"),
        ("{{(.Id}}", "template: :1: unclosed left paren"),
        ("{{.Id)}}", #"template: :1: unexpected ")" in command"#),
        ("{{3x}}", #"template: :1: bad number syntax: "3x""#),
        ("{{'ab'}}", "template: :1: malformed character constant: 'ab'"),
        ("{{/* unclosed }}", "template: :1: unclosed comment"),
        ("{{/* a */ b}}", "template: :1: comment ends before closing delimiter"),
        ("{{upper}}", #"template: :1:2: executing "" at <upper>: wrong number of args for upper: want 1 got 0"#),
        (
            #"{{upper "a" "b"}}"#,
            #"template: :1:2: executing "" at <upper>: wrong number of args for upper: want 1 got 2"#
        ),
        ("{{upper 3}}", #"template: :1:8: executing "" at <3>: expected string; found 3"#),
        (
            "{{upper .Size}}",
            #"template: :1:8: executing "" at <.Size>: wrong type for value; expected string; got int"#
        ),
        (
            "{{.Size | upper}}",
            #"template: :1:10: executing "" at <upper>: wrong type for value; expected string; got int"#
        ),
        (#"{{truncate .Id "x"}}"#, #"template: :1:15: executing "" at <"x">: expected integer; found "x""#),
        (
            "{{truncate .Id .Id}}",
            #"template: :1:15: executing "" at <.Id>: wrong type for value; expected int; got string"#
        ),
        ("{{json}}", #"template: :1:2: executing "" at <json>: wrong number of args for json: want 1 got 0"#),
        ("{{json .Id .Id}}", #"template: :1:2: executing "" at <json>: wrong number of args for json: want 1 got 2"#),
        (#"{{split "a"}}"#, #"template: :1:2: executing "" at <split>: wrong number of args for split: want 2 got 1"#),
        (
            "{{index nil 1}}",
            #"template: :1:2: executing "" at <index nil 1>: error calling index: index of untyped nil"#
        ),
        (
            "{{index .Size 1}}",
            #"template: :1:2: executing "" at <index .Size 1>: error calling index: can't index item of type int"#
        ),
        (
            "{{index .Config.Labels 1}}",
            #"template: :1:2: executing "" at <index .Config.Labels 1>: error calling index: value has type int; should be string"#
        ),
        ("{{range $i, $j, $k := .RepoTags}}{{end}}", "template: :1: too many declarations in range"),
        ("{{range $i, 3}}{{end}}", "template: :1: range can only initialize variables"),
        ("{{if .Ok}}{{else}}{{else}}{{end}}", "template: :1: expected end; found {{else}}"),
        ("{{with .Ok}}{{else if .Ok}}{{end}}", "template: :1: unexpected <if> in input"),
        ("{{define 3}}{{end}}", #"template: :1: unexpected "3" in define clause"#),
        ("{{template}}", #"template: :1: unexpected "}}" in template clause"#),
        (#"{{if .Ok}}{{define "a"}}{{end}}{{end}}"#, "template: :1: unexpected <define> in command"),
        ("{{$a, $b := 3}}", "template: :1: too many declarations in command"),
        ("{{:}}", "template: :1: expected :="),
        ("{{.}}{{.Foo", "template: :1: unclosed action"),
        ("\n\n{{if}}{{end}}", "template: :3: missing value for if"),
        (#"{{"a" "b"}}"#, #"template: :1:2: executing "" at <"a">: can't give argument to non-function "a""#),
        (
            #"{{.Config.Labels "x"}}"#,
            #"template: :1:9: executing "" at <.Config.Labels>: Labels has arguments but cannot be invoked as function"#
        ),
        (
            "{{$x := .Config}}{{$x.Labels.a}} {{$x.Bad}}",
            #"template: :1:37: executing "" at <$x.Bad>: can't evaluate field Bad in type *example.Config"#
        ),
        ("{{not}}", #"template: :1:2: executing "" at <not>: wrong number of args for not: want 1 got 0"#),
        ("{{eq 1}}", #"template: :1:2: executing "" at <eq 1>: error calling eq: missing argument for comparison"#),
        ("{{and}}", #"template: :1:2: executing "" at <and>: wrong number of args for and: want at least 1 got 0"#),
    ]

    @Test(arguments: failures)
    func failsAsGo(template: String, expected: String) {
        let error = #expect(throws: TemplateError.self) { try Template(template).render(Self.image) }
        #expect(error?.description == expected)
    }

    /// What Go has only since 1.22 and 1.23, or says in other words.
    @Test func knowsWhatNewerGoKnows() throws {
        #expect(try Template("{{range 3}}{{.}},{{end}}").render(.null) == "0,1,2,")
        #expect(try Template("{{with 0}}a{{else with 5}}{{.}}{{end}}").render(.null) == "5")
        let trailing = #expect(throws: TemplateError.self) { try Template("{{.Id | }}") }
        #expect(trailing?.description == "template: :1: missing value for command")
        let unknown = #expect(throws: TemplateError.self) { try Template("{{$x = 3}}") }
        #expect(unknown?.description == #"template: :1: undefined variable "$x""#)
    }

    @Test func aMissingKeyCanBeAnError() {
        let error = #expect(throws: TemplateError.self) {
            try Template("{{.a.b}}").render(.map(["a": .map([:])]), missingKeyIsError: true)
        }
        #expect(
            error?.description == #"template: :1:4: executing "" at <.a.b>: map has no entry for key "b""#)
    }

    static let excesses: [(String, String)] = [
        ("nested blocks", String(repeating: "{{if true}}", count: 5000) + String(repeating: "{{end}}", count: 5000)),
        (
            "nested parentheses",
            "{{" + String(repeating: "(", count: 5000) + "1" + String(repeating: ")", count: 5000) + "}}"
        ),
        ("else if after else if", "{{if false}}" + String(repeating: "{{else if false}}", count: 3000) + "{{end}}"),
        ("a template that calls itself", #"{{define "x"}}{{template "x"}}{{end}}{{template "x"}}"#),
        (
            "two templates that call each other twice",
            #"{{define "a"}}{{template "b"}}{{template "b"}}{{end}}{{define "b"}}{{template "a"}}{{template "a"}}{{end}}{{template "a"}}"#
        ),
        ("a range without end", "{{range 9223372036854775807}}{{end}}"),
        ("output without end", #"{{range 1000000000}}{{pad "x" 60000 1}}{{end}}"#),
        ("a wide padding", #"{{pad "x" 1000000000 1}}"#),
        ("a long text", String(repeating: "x", count: 70_000)),
    ]

    @Test(arguments: excesses)
    func isBounded(reason: String, template: String) {
        #expect(throws: TemplateError.self, "\(reason)") { try Template(template).render(.null) }
    }

    @Test func aWidthIsBounded() throws {
        #expect(try Template(#"{{printf "%999999999d" 1}}"#).render(.null) == "1")
    }

    @Test func jsonOfARowEscapesHTMLAndOthersDoNot() throws {
        let row = Value.record("row", escapesHTML: true, [.always("Tag", .string("<none>&"))])
        #expect(try Template("{{json .}}").render(row) == #"{"Tag":"\u003cnone\u003e\u0026"}"#)
        #expect(try Template("{{json .Tag}}").render(row) == #""<none>&""#)
    }

    @Test func indentedJSONLeavesEmptyFieldsOut() {
        let value = Value.record(
            "x",
            [
                .nonEmpty("Comment", .string("")), .always("List", .list([])), .always("Map", .map([:])),
                .always("Env", .strings(["a<b", "tab\t\u{1}\u{2028}"])),
            ])
        #expect(
            JSONText.indented(value) == #"""
                {
                    "List": [],
                    "Map": {},
                    "Env": [
                        "a<b",
                        "tab\t\u0001\u2028"
                    ]
                }
                """#)
    }
}
