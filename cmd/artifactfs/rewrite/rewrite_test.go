package rewrite

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

var values = map[string]any{
	"path":  "/mnt/artifacts/sft/latest",
	"odd":   `/mnt/a b/it's "x" #1`,
	"size":  manifest.Number("4096"),
	"rate":  manifest.Number("1e-05"),
	"nan":   manifest.Number("NaN"),
	"none":  nil,
	"yes":   true,
	"word":  "on",
	"digit": "12",
	"time":  "12:30:45",
	"inter": `a\${oc.env:HOME}`,
	"empty": "",
	"lead":  " x",
	"lines": "a\nb",
	"apart": "é\u2028中",
	"zeros": "007",
	"float": manifest.Number("100000.0"),
	"small": manifest.Number("1.5E-7"),
	"tiny":  manifest.Number("0.0001"),
	"large": manifest.Number("1e22"),
	"big":   manifest.Number("123456789012345678901234567890"),
	"minus": manifest.Number("-0.0"),
	"inf":   manifest.Number("-Infinity"),
	"list":  []any{manifest.Number("1"), "two", nil},
	"object": manifest.Object{
		{Key: "k", Value: "v"}, {Key: "n", Value: manifest.Number("1")},
	},
}

func value(u Use) (any, error) {
	v, ok := values[u.Field]
	if u.Key != "data" || !ok {
		return nil, fs.ErrNotExist
	}
	return v, nil
}

func TestRewrite(t *testing.T) {
	const head = "run: {data: 'sft:latest'}\n"
	for _, tt := range []struct{ name, in, want string }{
		{"path", "a: ${art:data,path}", "a: /mnt/artifacts/sft/latest"},
		{"path is the default", "a: ${art:data}", "a: /mnt/artifacts/sft/latest"},
		{"file below", "a: ${art:data,path}/blend.json", "a: /mnt/artifacts/sft/latest/blend.json"},
		{"spaces", "a: '${ art : data , size }'", "a: 4096"},
		{"comment stays", "# ${art:data,path}\n\na:   ${art:data,size}   # ${art:data,path}", "# ${art:data,path}\n\na:   4096   # ${art:data,path}"},
		{"double quotes of a value go", `a: "${art:data,size}"`, "a: 4096"},
		{"double quotes of text stay", `a: "x/${art:data,path}/\u00e9"`, `a: "x//mnt/artifacts/sft/latest/\u00e9"`},
		{"single quotes of text stay", `a: 'it''s ${art:data,path}'`, `a: 'it''s /mnt/artifacts/sft/latest'`},
		{"text that needs quotes", "a: ${art:data,odd}", `a: "/mnt/a b/it's \"x\" #1"`},
		{"text that would be a truth value", "a: ${art:data,word}", `a: "on"`},
		{"text that would be a number", "a: ${art:data,digit}", `a: "12"`},
		{"text that would be a time", "a: ${art:data,time}", `a: "12:30:45"`},
		{"text that would be an interpolation", "a: ${art:data,inter}", `a: "a\\\\\\${oc.env:HOME}"`},
		{"number", "a: ${art:data,rate}", "a: 1e-05"},
		{"not a number", "a: ${art:data,nan}", "a: .nan"},
		{"null", "a: ${art:data,none}", "a: null"},
		{"truth", "a: ${art:data,yes}", "a: true"},
		{"list", "a: ${art:data,list}", `a: [1, "two", null]`},
		{"object", "a: ${art:data,object}", `a: {"k": "v", "n": 1}`},
		{"in a sequence", "a:\n- ${art:data,path}\n- 'b'", "a:\n- /mnt/artifacts/sft/latest\n- 'b'"},
		{"in flow", `a: {b: "${art:data,path}", c: ["${art:data,size}"]}`, `a: {b: /mnt/artifacts/sft/latest, c: [4096]}`},
		{"text in flow that needs quotes", `a: ["p=${art:data,list}"]`, ``},
		{"anchor and tag", "a: &x !!str ${art:data,path}\nb: *x", "a: &x !!str /mnt/artifacts/sft/latest\nb: *x"},
		{"nested", "a: ${oc.decode:${art:data,size}}", "a: ${oc.decode:4096}"},
		{"nested text", "a: ${oc.decode:${art:data,digit}}", "a: ${oc.decode:'12'}"},
		{"beside another", "a: ${oc.env:HOME}/${art:data,size}", "a: ${oc.env:HOME}/4096"},
		{"escaped", `a: \${art:data,path}`, `a: \${art:data,path}`},
		{"a key", "${art:data,path}: 1", "${art:data,path}: 1"},
		{"block", "a: |\n  cat ${art:data,path}/x\n\n  ${art:data,size}\nb: 1", "a: |\n  cat /mnt/artifacts/sft/latest/x\n\n  4096\nb: 1"},
		{"beyond ASCII before it", "é: {ü: '${art:data,size}'}", "é: {ü: 4096}"},
		{"windows lines", "a: ${art:data,size}\r\nb: 1\r\n", "a: 4096\r\nb: 1\r\n"},
		{"backslashes before it", `a: \\\\${art:data,path}`, `a: \\/mnt/artifacts/sft/latest`},
		{"block with one that is text", "a: |\n  \\${art:data,size} ${art:data,size}", "a: |\n  \\${art:data,size} 4096"},
		{"in a string of another", `a: ${oc.select:n,'${art:data,odd}'}`, ``},
		{"none", "a: 1", "a: 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse([]byte(head + tt.in))
			if err != nil {
				t.Fatal(err)
			}
			out, problems := c.Rewrite(value, nil)
			got := strings.TrimPrefix(string(out), head)
			if got != tt.want || (tt.want == "") != (len(problems) > 0) {
				t.Errorf("got  %s\nwant %s\n%v", got, tt.want, problems)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"no such key", "a: 1\nb: ${art:model,path}", "line 2: ${art:model,path}: file does not exist"},
		{"no such field", "a: ${art:data,nope}", "line 1: ${art:data,nope}: file does not exist"},
		{"interpolation in it", "a: ${art:${key},path}", "line 1: ${art:${key},path}: what it names is itself an interpolation, and known only to the job"},
		{"no end", "a: '${art:data'", "line 1: ${art:data: it has no end"},
		{"too many arguments", "a: ${art:data,path,x}", "line 1: ${art:data,path,x}: it is not ${art:KEY} or ${art:KEY,FIELD}"},
		{"on two lines", "a: \"${art:data,path}/\n  b\"", "line 1: ${art:data,path}/ b: it spans lines; write it on one"},
		{"list in a string", "a: x${art:data,list}", "line 1: x${art:data,list}: its value is a list or a mapping, and cannot be a part of a string"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			out, problems := c.Rewrite(value, nil)
			if out != nil || len(problems) != 1 || problems[0].Error() != tt.want {
				t.Errorf("got %q, %v, want %s", out, problems, tt.want)
			}
		})
	}
}

func TestRuns(t *testing.T) {
	c, err := Parse([]byte("run:\n  data: sft:latest # d\n  slash: a/b:v2\n  image: nvcr.io/x:1\n  wandb: {project: p}\n  n: 3\na: ${art:slash,size}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Runs(); len(got) != 3 || got[0].Key != "data" || got[1].Ref != "a/b:v2" || !got[1].Detected || got[2].Detected {
		t.Fatalf("runs: %+v", got)
	}
	pin := func(r Run) (string, error) {
		if !r.Detected {
			return r.Ref, nil
		}
		return strings.Split(r.Ref, ":")[0] + ":v7", nil
	}
	out, problems := c.Rewrite(func(Use) (any, error) { return manifest.Number("1"), nil }, pin)
	want := "run:\n  data: sft:v7 # d\n  slash: a/b:v7\n  image: nvcr.io/x:1\n  wandb: {project: p}\n  n: 3\na: 1\n"
	if string(out) != want || problems != nil {
		t.Errorf("got %s, %v", out, problems)
	}
	broken := errors.New("down")
	if _, problems = c.Rewrite(value, func(Run) (string, error) { return "", broken }); len(problems) != 4 || !errors.Is(problems[0], broken) || problems[3].Line != 7 {
		t.Errorf("problems: %v", problems)
	}
}

func TestParse(t *testing.T) {
	for _, in := range []string{"", "# nothing\n"} {
		c, err := Parse([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if out, problems := c.Rewrite(value, nil); string(out) != in || problems != nil {
			t.Errorf("%q became %q, %v", in, out, problems)
		}
	}
	c, err := Parse([]byte("x: &x {data: 'sft:v1', rl: 'a:v1'}\ny: &y {k: 'b:v2'}\nrun: &r\n  <<: [*x, *y]\n  rl: c:v3\n"))
	var runs []string
	for _, r := range c.Runs() {
		runs = append(runs, r.Key+"="+r.Ref)
	}
	if got := strings.Join(runs, " "); got != "rl=c:v3 data=sft:v1 k=b:v2" || err != nil {
		t.Errorf("merged into run: %s, %v", got, err)
	}
	if c, err := Parse([]byte("run: &r {<<: {<<: *r}, a: 'n:v1'}\n")); err == nil && len(c.Runs()) != 1 {
		t.Errorf("of a ring: %v", c.Runs())
	}
	for _, in := range []string{"a: 1\n---\nb: 1\n", "- 1\n", "a: {", "\x00"} {
		if _, err := Parse([]byte(in)); err == nil {
			t.Errorf("%q is taken", in)
		}
	}
}

// Whatever the file holds, the answer is the same file but for the uses, or an error.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{"a: ${art:data,path}", "a: |\n  ${art:data,size} x\n", "a: &x '${art:data,list}'\nb: [*x, \"${oc.decode:${art:data,digit}}\"]", "é: \"\\\n ${art:data}\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Parse(src)
		if err != nil {
			return
		}
		out, problems := c.Rewrite(value, nil)
		if (out == nil) == (problems == nil) && len(src) > 0 {
			t.Fatalf("%q: %q, %v", src, out, problems)
		}
		if problems == nil && !strings.Contains(string(src), "art") && string(out) != string(src) {
			t.Fatalf("%q became %q", src, out)
		}
	})
}
