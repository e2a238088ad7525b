package tree
type GenerateOptions struct{ Generation int }
func Generate(o GenerateOptions) *Tree { return nil }
