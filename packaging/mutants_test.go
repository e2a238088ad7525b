package packaging

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A mutant is the program with one small fault. TestMutants makes some, at places
// drawn by chance, and counts those that a package's own tests notice.

// mutation is one fault: apply puts it into the syntax tree, undo takes it out.
type mutation struct {
	file        string
	line        int
	what        string
	apply, undo func()
}

// TestMutants needs ILOD_TEST_MUTANTS, which names packages, such as
// "agent/schedule agent/gateway"; ILOD_MUTANTS is how many mutants of each are made,
// ILOD_SEED repeats a draw. It fails if fewer than ILOD_MUTANTS_KILLED percent are
// noticed, 0 if that is not set, and prints those that are not, and which test noticed
// the others. A test that never ends notices, too; these are counted for themselves, as
// a busy machine may be the cause.
func TestMutants(t *testing.T) {
	packages := strings.Fields(os.Getenv("ILOD_TEST_MUTANTS"))
	if len(packages) == 0 {
		t.Skip("ILOD_TEST_MUTANTS names no package; see make mutants")
	}
	count, seed, least := number(t, "ILOD_MUTANTS", 40), number(t, "ILOD_SEED", int(time.Now().Unix())), number(t, "ILOD_MUTANTS_KILLED", 0)
	for _, name := range packages {
		t.Run(name, func(t *testing.T) {
			t.Logf("ILOD_SEED=%d", seed)
			killed, made, late := try(t, filepath.Join("..", name), count, rand.New(rand.NewPCG(uint64(seed), 0)))
			t.Logf("%s: %d of %d mutants killed, %d %%; %d of them by a test that did not end", name, killed, made, 100*killed/max(made, 1), late)
			if made == 0 || 100*killed < least*made {
				t.Errorf("want %d %%", least)
			}
		})
	}
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	if os.Getenv(variable) == "" {
		return otherwise
	}
	n, err := strconv.Atoi(os.Getenv(variable))
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// atATime is how many mutants are tried side by side: tests wait most of their time.
var atATime = 2 * runtime.NumCPU()

// try makes mutants of one package and runs the package's tests.
func try(t *testing.T, dir string, count int, chance *rand.Rand) (killed, made, late int) {
	parts := partsOf(t, dir)
	all := mutationsOf(t, dir)
	chance.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var mu sync.Mutex // of the syntax trees, and the counts
	var running sync.WaitGroup
	next := make(chan mutant)
	for range atATime {
		running.Go(func() {
			for m := range next {
				by := m.run(t, dir, parts)
				mu.Lock()
				if by != notBuilt {
					made++
					t.Logf("%s %s:%d: %s", cmp.Or(by, "SURVIVED"), m.file, m.line, m.what)
				}
				if by != notBuilt && by != "" {
					killed++
				}
				if by == timedOut {
					late++
				}
				enough := made >= count
				mu.Unlock()
				if enough {
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		running.Wait()
		close(done)
	}()
	for i := 0; i < len(all); i++ {
		select {
		case next <- mutant{all[i], all[i].source(t)}:
		case <-done:
			i = len(all)
		}
	}
	close(next)
	<-done
	return killed, made, late
}

// mutant is a mutation with the text of the file that it makes.
type mutant struct {
	mutation
	text []byte
}

// part is some tests of a package.
type part struct {
	tests string        // the argument that chooses them
	limit time.Duration // of those that never end
}

var resultLine = regexp.MustCompile(`(?m)^--- (PASS|FAIL): (\S+) \((\d+\.\d+)s\)$`)

// partsOf runs the tests of a package without a fault. Those that take more than a
// twentieth of the time are a part of their own, for what the others have not noticed.
func partsOf(t *testing.T, dir string) []part {
	out, err := exec.Command("go", "test", "-count=1", "-v", "-timeout=2h", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("the tests fail without a fault: %v\n%s", err, out)
	}
	took, all := map[string]time.Duration{}, time.Duration(0)
	for _, line := range resultLine.FindAllStringSubmatch(string(out), -1) {
		took[line[2]], _ = time.ParseDuration(line[3] + "s") // the expression has a number there
		all += took[line[2]]
	}
	var long []string
	short := all
	for test, time := range took {
		if time > all/20 {
			long = append(long, test)
			short -= time
		}
	}
	last := "^(" + strings.Join(long, "|") + ")$"
	return []part{{"-skip=" + last, 8*short + time.Minute}, {"-run=" + last, 8*(all-short) + time.Minute}}
}

// What run returns beside the names of tests.
const (
	notBuilt = "does not compile"
	timedOut = "TIMED OUT"
)

// run returns the test that notices the mutant, or "".
func (m mutant) run(t *testing.T, dir string, parts []part) (by string) {
	work := t.TempDir()
	file, overlay := filepath.Join(work, "mutant.go"), filepath.Join(work, "overlay.json")
	original, err := filepath.Abs(m.file)
	if err != nil {
		t.Error(err)
		return notBuilt
	}
	replace, _ := json.Marshal(map[string]map[string]string{"Replace": {original: file}}) // strings marshal
	for name, text := range map[string][]byte{file: m.text, overlay: replace} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Error(err)
			return notBuilt
		}
	}
	for _, part := range parts {
		test := exec.Command("go", "test", "-count=1", "-failfast", "-v", "-vet=off", "-timeout="+part.limit.String(), part.tests, dir)
		test.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay) // also of what the tests build
		out, err := test.CombinedOutput()
		switch {
		case err == nil:
		case bytes.Contains(out, []byte("[build failed]")):
			return notBuilt
		case bytes.Contains(out, []byte("panic: test timed out")):
			return timedOut
		default:
			for _, line := range resultLine.FindAllStringSubmatch(string(out), -1) {
				if line[1] == "FAIL" {
					return line[2]
				}
			}
			return "an end of the process"
		}
	}
	return ""
}

// mutationsOf are all of a package, for this operating system.
func mutationsOf(t *testing.T, dir string) (all []mutation) {
	out, err := exec.Command("go", "list", "-f", "{{range .GoFiles}}{{.}}\n{{end}}", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(out)) {
		path := filepath.Join(dir, name)
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		trees[path] = syntax{fset, file}
		add := func(at token.Pos, what string, apply, undo func()) {
			all = append(all, mutation{path, fset.Position(at).Line, what, apply, undo})
		}
		ast.Inspect(file, func(n ast.Node) bool {
			inOperators(n, add)
			inStatements(n, add)
			return true
		})
	}
	return all
}

type syntax struct {
	fset *token.FileSet
	file *ast.File
}

var trees = map[string]syntax{}

// source is the file with the fault. Comments are left out, since they would move, but
// not directives.
func (m mutation) source(t *testing.T) []byte {
	m.apply()
	defer m.undo()
	tree := trees[m.file]
	var text bytes.Buffer
	comments := tree.file.Comments
	tree.file.Comments = slices.DeleteFunc(slices.Clone(comments), func(c *ast.CommentGroup) bool {
		return !slices.ContainsFunc(c.List, func(line *ast.Comment) bool { return strings.HasPrefix(line.Text, "//go:") })
	})
	defer func() { tree.file.Comments = comments }()
	if err := format.Node(&text, tree.fset, tree.file); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// turned are the operators that a fault turns into others.
var turned = map[token.Token][]token.Token{
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.LSS: {token.LEQ, token.GEQ}, token.LEQ: {token.LSS, token.GTR},
	token.GTR: {token.GEQ, token.LEQ}, token.GEQ: {token.GTR, token.LSS},
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.ADD: {token.SUB}, token.SUB: {token.ADD},
}

// inOperators finds faults of operators, conditions and constants.
func inOperators(n ast.Node, add func(token.Pos, string, func(), func())) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		old := n.Op
		for _, op := range turned[old] {
			add(n.OpPos, fmt.Sprintf("%s for %s", op, old), func() { n.Op = op }, func() { n.Op = old })
		}
	case *ast.IfStmt:
		old := n.Cond
		add(n.Pos(), "the condition is turned round", func() { n.Cond = &ast.UnaryExpr{Op: token.NOT, X: &ast.ParenExpr{X: old}} }, func() { n.Cond = old })
	case *ast.BasicLit:
		if old := n.Value; n.Kind == token.INT && old != "0" {
			add(n.Pos(), "7*"+old, func() { n.Value = "(7*" + old + ")" }, func() { n.Value = old })
		}
	case *ast.Ident:
		if old := n.Name; old == "true" || old == "false" {
			add(n.Pos(), "not "+old, func() { n.Name = "!" + old }, func() { n.Name = old })
		}
	}
}

// inStatements finds statements that can be left out.
func inStatements(n ast.Node, add func(token.Pos, string, func(), func())) {
	var list []ast.Stmt
	switch n := n.(type) {
	case *ast.BlockStmt:
		list = n.List
	case *ast.CaseClause:
		list = n.Body
	}
	for i, old := range list {
		assign, assigns := old.(*ast.AssignStmt)
		call, calls := old.(*ast.ExprStmt)
		_, counts := old.(*ast.IncDecStmt)
		_, defers := old.(*ast.DeferStmt)
		_, goes := old.(*ast.BranchStmt)
		calls = calls && !isLogLine(call.X)
		if calls || counts || defers || goes || assigns && assign.Tok != token.DEFINE {
			add(old.Pos(), "the statement is left out", func() { list[i] = &ast.EmptyStmt{} }, func() { list[i] = old })
		}
	}
}

// isLogLine tells a line of the log from other calls: what is logged is for people,
// and few lines of it are promises.
func isLogLine(x ast.Expr) bool {
	call, ok := x.(*ast.CallExpr)
	if !ok {
		return false
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	switch strings.TrimSuffix(method.Sel.Name, "f") {
	case "Debug", "Info", "Warn", "Error":
	default:
		return false
	}
	found := false
	ast.Inspect(method.X, func(n ast.Node) bool {
		name, ok := n.(*ast.Ident)
		found = found || ok && (strings.EqualFold(name.Name, "log") || strings.HasPrefix(name.Name, "With"))
		return true
	})
	return found
}
