// Renders the Helm chart in deploy/helm/rowfeed as Helm does, strictly: a value that values.yaml does not have is an error,
// and so is a document that is no YAML, has a key twice, or says neither what it is nor its name.
//
//	go run . CHART [VALUES.yaml]    the rendered documents on stdout
//
// Not Helm itself, whose build takes minutes: Go's templates and sprig, which are what Helm renders with, and the few
// functions that Helm adds and this chart uses. One that is missing here fails, it is never passed over.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: chart CHART [VALUES.yaml]")
	}
	chart, values := read(filepath.Join(os.Args[1], "Chart.yaml")), read(filepath.Join(os.Args[1], "values.yaml"))
	if len(os.Args) > 2 {
		known := keys(values, "")
		given := read(os.Args[2])
		for path := range keys(given, "") {
			if !known[path] && !open(values, path) {
				fail("%s: values.yaml has no %s", os.Args[2], path)
			}
		}
		merge(values, given)
	}
	rendered := render(os.Args[1], chart, values)
	names := make([]string, 0, len(rendered))
	for name := range rendered {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if strings.HasSuffix(name, ".yaml") {
			documents(name, rendered[name])
		}
	}
	used(os.Args[1], read(filepath.Join(os.Args[1], "values.yaml")))
}

// What the templates see, as Helm names it.
func render(dir string, chart, values map[string]interface{}) map[string]string {
	root := template.New("chart").Option("missingkey=error")
	functions := sprig.TxtFuncMap()
	// Helm takes these away: a chart says the same everywhere.
	delete(functions, "env")
	delete(functions, "expandenv")
	functions["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	functions["include"] = func(name string, about interface{}) (string, error) {
		var out bytes.Buffer
		err := root.ExecuteTemplate(&out, name, about)
		return out.String(), err
	}
	functions["required"] = func(why string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, fmt.Errorf("%s", why)
		}
		return value, nil
	}
	root.Funcs(functions)
	files, err := filepath.Glob(filepath.Join(dir, "templates", "*"))
	check("templates", err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(file, err)
		_, err = root.New(filepath.Base(file)).Parse(string(text))
		check(file, err)
	}
	about := map[string]interface{}{
		"Values":  values,
		"Chart":   named(chart),
		"Release": map[string]interface{}{"Name": "check", "Namespace": "cdc", "Service": "Helm", "IsInstall": true, "IsUpgrade": false, "Revision": 1},
		"Files":   chartFiles{dir},
	}
	out := map[string]string{}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var text bytes.Buffer
		check(name, root.ExecuteTemplate(&text, name, about))
		out[name] = text.String()
	}
	return out
}

// Chart.yaml's `appVersion` is `.Chart.AppVersion`.
func named(chart map[string]interface{}) map[string]interface{} {
	out := map[string]interface{}{}
	for key, value := range chart {
		out[strings.ToUpper(key[:1])+key[1:]] = value
	}
	for _, key := range []string{"ApiVersion", "Name", "Version"} {
		if text, ok := out[key].(string); !ok || text == "" {
			fail("Chart.yaml has no %s", key)
		}
	}
	return out
}

type chartFiles struct{ dir string }

// Get is empty in Helm where there is no such file; here that is an error.
func (files chartFiles) Get(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(files.dir, name))
	return string(text), err
}

// Writes the documents of a file.
func documents(name, text string) {
	for _, document := range regexp.MustCompile(`(?m)^---\s*$`).Split(text, -1) {
		if strings.TrimSpace(document) == "" {
			continue
		}
		var parsed map[string]interface{}
		if err := yaml.UnmarshalStrict([]byte(document), &parsed); err != nil {
			fail("%s: %v\n%s", name, err, document)
		}
		if parsed == nil {
			continue
		}
		metadata, _ := parsed["metadata"].(map[string]interface{})
		if parsed["apiVersion"] == nil || parsed["kind"] == nil || metadata["name"] == nil {
			fail("%s: a document without apiVersion, kind or metadata.name:\n%s", name, document)
		}
		fmt.Printf("---\n# %s\n%s\n", name, strings.TrimSpace(document))
	}
}

// Every value of values.yaml is used by some template: one that is not would be set in vain.
func used(dir string, values map[string]interface{}) {
	var all strings.Builder
	files, _ := filepath.Glob(filepath.Join(dir, "templates", "*"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(file, err)
		all.Write(text)
	}
	named := map[string]bool{}
	for _, found := range regexp.MustCompile(`\.Values\.([A-Za-z0-9_.]+)`).FindAllStringSubmatch(all.String(), -1) {
		named[strings.TrimSuffix(found[1], ".")] = true
	}
	for path := range keys(values, "") {
		ok := false
		for name := range named {
			// A template that takes a whole block uses what is in it.
			ok = ok || name == path || strings.HasPrefix(path, name+".") || strings.HasPrefix(name, path+".")
		}
		if !ok {
			fail("values.yaml has %s, which no template uses", path)
		}
	}
}

func keys(values map[string]interface{}, prefix string) map[string]bool {
	out := map[string]bool{}
	for key, value := range values {
		out[prefix+key] = true
		if inner, ok := value.(map[string]interface{}); ok {
			for path := range keys(inner, prefix+key+".") {
				out[path] = true
			}
		}
	}
	return out
}

// A block whose keys are the user's own: empty in values.yaml, or one of labels and resources.
func open(values map[string]interface{}, path string) bool {
	parts := strings.Split(path, ".")
	for at := range parts[:len(parts)-1] {
		inner, ok := values[parts[at]].(map[string]interface{})
		if !ok {
			return false
		}
		if len(inner) == 0 || parts[at] == "clientLabels" || parts[at] == "resources" {
			return true
		}
		values = inner
	}
	return false
}

func merge(into, from map[string]interface{}) {
	for key, value := range from {
		inner, ok := value.(map[string]interface{})
		known, both := into[key].(map[string]interface{})
		if ok && both {
			merge(known, inner)
			continue
		}
		into[key] = value
	}
}

func read(file string) map[string]interface{} {
	text, err := os.ReadFile(file)
	check(file, err)
	var out map[string]interface{}
	check(file, yaml.UnmarshalStrict(text, &out))
	// Numbers as Helm has them: whole ones are whole.
	whole, err := json.Marshal(out)
	check(file, err)
	check(file, json.Unmarshal(whole, &out))
	return out
}

func check(what string, err error) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func fail(format string, about ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", about...)
	os.Exit(1)
}
