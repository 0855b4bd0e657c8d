package rewrite

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

// compare loads each pair of a config and what it was rewritten to, the first with a
// resolver that gives the same values, and prints the pairs that OmegaConf reads otherwise.
const compare = `
import json, sys, warnings
warnings.simplefilter("ignore")
from omegaconf import OmegaConf
values = json.load(open(sys.argv[1] + "/values"))
OmegaConf.register_new_resolver("art", lambda key, field="path": values[field])
def load(name):
    try:
        return repr(OmegaConf.to_container(OmegaConf.load(name), resolve=True))
    except Exception as e:
        return "error"
for i in range(int(sys.argv[2])):
    a, b = (load(f"{sys.argv[1]}/{i}.{kind}") for kind in ("in", "out"))
    print(json.dumps([i, a != "error", a == b, a, b]))
`

// Each way in which a config can hold a use, with each kind of value in its place. FIELD
// stands for it.
var shapes = []string{
	"a: ${art:data,FIELD}", "a: '${art:data,FIELD}'\nb: \"${ art:data, FIELD }\"", "a: pre/${art:data,FIELD}/post", "a: \"pre ${art:data,FIELD} # post\"   # c",
	"a: ${oc.decode:${art:data,FIELD}}", "a: ['${art:data,FIELD}', {k: '${art:data,FIELD}'}]", "a: |\n  x ${art:data,FIELD} y\n  z\nb: >\n  x ${art:data,FIELD}\n  z",
	"a: &a ${art:data,FIELD}\nb: *a\nc: [*a]", "a: ${art:data,FIELD}${art:data,empty}", "a: ${art:data,FIELD}:30", "a: ${oc.select:nope,${art:data,FIELD}}",
	"a: ${oc.select:nope,'${art:data,FIELD}'}", "a: \"${oc.select:nope,\\\"x ${art:data,FIELD}\\\"}\"", `a: \\${art:data,FIELD}`, `a: 'x\\\\${art:data,FIELD}${run.data}'`,
	"a: |\n  \\${art:data,FIELD} ${art:data,FIELD}", "a: !!str ${art:data,FIELD}", "b: &b {k: '${art:data,FIELD}'}\nc: {<<: *b, n: 1}", "a: ${art:data,FIELD}\r\nb: |\r\n  ${art:data,FIELD}\r\n",
	"a:\t'${art:data,FIELD}'\n", "---\na: ${art:data,FIELD}\n...\n", "a: \"\\u00e9 ${art:data,FIELD} \\t\"", "a: '}${art:data,FIELD}{'",
}

func TestAsOmegaConf(t *testing.T) {
	python, _ := filepath.Abs("../../../.venv/bin/python")
	if _, err := os.Stat(python); err != nil {
		t.Skip("no .venv: run make deps")
	}
	dir := t.TempDir()
	var all manifest.Object
	for _, k := range slices.Sorted(maps.Keys(values)) {
		all = append(all, manifest.Member{Key: k, Value: values[k]})
	}
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("values", manifest.AppendJSON(nil, all, 0))
	var configs []string
	refused := 0
	for _, shape := range shapes {
		for _, v := range all {
			in := "run: {data: 'sft:latest'}\n" + strings.ReplaceAll(shape, "FIELD", v.Key)
			c, err := Parse([]byte(strings.TrimPrefix(in, "run: {data: 'sft:latest'}\n---\n")))
			if strings.Contains(shape, "---") {
				in = "---\nrun: {data: 'sft:latest'}\n" + strings.ReplaceAll(strings.TrimPrefix(shape, "---\n"), "FIELD", v.Key)
				c, err = Parse([]byte(in))
			}
			if err != nil {
				t.Fatalf("%s: %v", in, err)
			}
			out, problems := c.Rewrite(value, nil)
			if problems != nil {
				refused++
				continue
			}
			write(fmt.Sprintf("%d.in", len(configs)), []byte(in))
			write(fmt.Sprintf("%d.out", len(configs)), out)
			configs = append(configs, in+"\nbecame\n"+string(out))
		}
	}
	cmd := exec.Command(python, "-c", compare, dir, fmt.Sprint(len(configs)))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for line := range strings.Lines(string(out)) {
		var got [5]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if got[1] == true {
			read++
		}
		if got[2] != true && got[1] == true {
			t.Errorf("%s\nOmegaConf read %v, and reads %v", configs[int(got[0].(float64))], got[3], got[4])
		}
	}
	t.Logf("%d configs, %d refused, %d read by OmegaConf", len(configs)+refused, refused, read)
	if read < 330 {
		t.Errorf("OmegaConf read %d configs", read)
	}
}
