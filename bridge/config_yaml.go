package bridge

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"sshfs-bridge/bridge/api"
)

// yamlReader reads one file into a Config and gathers every problem on the
// way. It walks the syntax tree itself, because a decoder stops at the first
// fault and forgets the lines.
type yamlReader struct {
	file     string
	c        *Config
	problems []api.Problem
}

// readYAML applies a file's settings to c.
func readYAML(c *Config, file string, data []byte) []api.Problem {
	r := &yamlReader{file: file, c: c}
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		r.syntax(err)
		return r.problems
	}
	for i, doc := range f.Docs {
		if doc.Body == nil {
			continue
		}
		if i > 0 {
			r.add(doc.Body, "", "a second document: one file holds one configuration")
			break
		}
		r.top(doc.Body)
	}
	return r.problems
}

// syntax reports what the parser refused, without the excerpt it adds.
func (r *yamlReader) syntax(err error) {
	p := api.Problem{File: r.file, Message: "not valid YAML: " + firstLine(err.Error())}
	var withToken interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if errors.As(err, &withToken) {
		p.Message = "not valid YAML: " + withToken.GetMessage()
		if t := withToken.GetToken(); t != nil && t.Position != nil {
			p.Line = t.Position.Line
		}
	}
	r.problems = append(r.problems, p)
}

func (r *yamlReader) add(n ast.Node, key, format string, args ...any) {
	p := api.Problem{File: r.file, Key: key, Message: fmt.Sprintf(format, args...)}
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		p.Line = n.GetToken().Position.Line
	}
	r.problems = append(r.problems, p)
}

func (r *yamlReader) top(n ast.Node) {
	table := map[string]setting{}
	var keys []string
	for _, s := range settings() {
		table[s.key] = s
		keys = append(keys, s.key)
	}
	keys = append(keys, "smb", "mounts")
	r.mapping(n, "", func(key string, keyNode, v ast.Node) {
		switch key {
		case "mounts":
			r.mounts(v)
		case "smb":
			r.mapping(v, "smb", func(sub string, subNode, v ast.Node) {
				if s, ok := table["smb."+sub]; ok {
					r.scalar(v, s.key, s.list, func(vals []string) error { return s.set(r.c, vals) })
				} else {
					r.unknown(subNode, "smb."+sub, keys)
				}
			})
		default:
			if s, ok := table[key]; ok && !strings.Contains(key, ".") {
				r.scalar(v, key, s.list, func(vals []string) error { return s.set(r.c, vals) })
			} else {
				r.unknown(keyNode, key, keys)
			}
		}
	})
}

// mounts reads the mounts: by name (mounts: {media: {remote: ...}}), or as a list,
// whose elements need no name.
func (r *yamlReader) mounts(n ast.Node) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		r.mapping(n, "mounts", func(name string, keyNode, v ast.Node) {
			path := "mounts." + name
			if err := CheckName(name); err != nil {
				r.add(keyNode, path+".name", "%s", err)
			}
			r.mount(v, keyNode, path, name)
		})
		return
	}
	for i, item := range seq.Values {
		r.mount(item, item, fmt.Sprintf("mounts[%d]", i), "")
	}
}

// mount reads one mount. Its name is given where the mounts are by name.
func (r *yamlReader) mount(n, at ast.Node, path, name string) {
	table := map[string]mountSetting{}
	var keys []string
	for _, s := range mountSettings() {
		table[s.key] = s
		keys = append(keys, s.key)
	}
	m := Mount{Source: api.SourceConfig, File: r.file, Line: line(at), key: path}
	m.Name = name
	seen := map[string]bool{}
	ok := r.mapping(n, path, func(key string, keyNode, v ast.Node) {
		seen[key] = true
		s, ok := table[key]
		switch {
		case !ok:
			r.unknown(keyNode, path+"."+key, keys)
		case key == "name" && name != "":
			r.add(keyNode, path+"."+key, "the mount is called %s already, by its key", name)
		default:
			r.scalar(v, path+"."+key, s.list, func(vals []string) error { return s.set(&m.MountSpec, vals) })
		}
	})
	if ok && !seen["remote"] {
		r.add(at, path+".remote", "the remote is missing: USER@HOST:PATH")
	}
	if ok {
		// One with a problem too, so that the next check sees its name.
		r.c.Mounts = append(r.c.Mounts, m)
	}
}

// mapping calls each for every key of a mapping, and reports repeated keys.
func (r *yamlReader) mapping(n ast.Node, path string, each func(key string, keyNode, v ast.Node)) bool {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	case *ast.NullNode:
		return true
	default:
		r.add(n, path, "keys and values are needed here")
		return false
	}
	seen := map[string]bool{}
	for _, kv := range values {
		key := keyText(kv.Key)
		full := strings.TrimPrefix(path+"."+key, ".")
		if _, ok := kv.Key.(*ast.MergeKeyNode); ok {
			r.add(kv.Key, full, "merge keys are not supported")
			continue
		}
		if seen[key] {
			r.add(kv.Key, full, "the key is given twice")
			continue
		}
		seen[key] = true
		each(key, kv.Key, kv.Value)
	}
	return true
}

// scalar hands the values of n to set. One value does for a list of one.
func (r *yamlReader) scalar(n ast.Node, key string, list bool, set func([]string) error) {
	nodes := []ast.Node{n}
	if seq, ok := n.(*ast.SequenceNode); ok {
		if !list {
			r.add(n, key, "one value is needed, not a list")
			return
		}
		nodes = seq.Values
	}
	vals := make([]string, 0, len(nodes))
	for _, item := range nodes {
		text, why := scalarText(item)
		if why != "" {
			r.add(item, key, "%s", why)
			return
		}
		vals = append(vals, text)
	}
	if err := set(vals); err != nil {
		r.add(n, key, "%s", err)
	}
}

// unknown reports a key that does not exist, with the nearest one that does.
func (r *yamlReader) unknown(n ast.Node, key string, keys []string) {
	last := key[strings.LastIndex(key, ".")+1:]
	near, best := "", 3
	for _, k := range keys {
		short := k[strings.LastIndex(k, ".")+1:]
		if d := editDistance(last, short); d < best {
			near, best = short, d
		}
	}
	if near != "" {
		r.add(n, key, "unknown key: did you mean %q?", near)
		return
	}
	r.add(n, key, "unknown key")
}
