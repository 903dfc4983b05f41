package bridge

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// scalarText is a scalar as it is written, or why it is none.
func scalarText(n ast.Node) (text, why string) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, ""
	case *ast.LiteralNode:
		return n.Value.Value, ""
	case *ast.IntegerNode, *ast.BoolNode, *ast.FloatNode:
		return n.GetToken().Value, ""
	case *ast.NullNode:
		return "", "the value is missing"
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return "", "anchors, aliases and tags are not supported"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "", "a plain value is needed, not keys and values"
	default:
		return "", "a plain value is needed"
	}
}

func keyText(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	return k.GetToken().Value
}

func line(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// editDistance counts the letters to change between a and b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(prev[j+1]+1, row[j]+1, prev[j]+cost)
		}
	}
	return row[len(b)]
}
