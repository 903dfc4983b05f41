package e2e

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// sqlite runs statements against a database and gives what they print. Busy
// databases are waited for.
func sqlite(t testing.TB, db, sql string) string {
	t.Helper()
	stdout, stderr, code := testenv.Run(t, nil, "sqlite3", "-batch", "-bail", "-cmd", ".timeout 40000", db, sql)
	if code != 0 || stderr != "" {
		t.Errorf("sqlite3: exit %d: %s", code, stderr)
	}
	return strings.TrimSpace(stdout)
}

// Databases with a rollback journal, of each kind, stay whole and lose nothing while
// several processes of two users write to them: the locks hold.
func TestSqlite(t *testing.T) {
	testenv.Require(t, "sqlite3", "setpriv")
	m := mountFiles(t, "reconnect")
	for _, mode := range []string{"delete", "truncate", "persist"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			name := mode + ".db"
			db := filepath.Join(m.dir, name)
			sqlite(t, db, `CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES(0); CREATE TABLE log(who INTEGER, i INTEGER, text TEXT, UNIQUE(who, i));`)
			const processes, rounds = 3, 6
			var script strings.Builder
			for i := range rounds {
				fmt.Fprintf(&script, "PRAGMA journal_mode=%s; BEGIN IMMEDIATE; UPDATE counter SET n = n + 1; INSERT INTO log VALUES(WHO, %d, hex(randomblob(2000))); COMMIT;\n", mode, i)
			}
			var wg sync.WaitGroup
			for who := range processes {
				wg.Go(func() {
					argv := []string{"sqlite3", "-batch", "-bail", "-cmd", ".timeout 40000", db, strings.ReplaceAll(script.String(), "WHO", fmt.Sprint(who))}
					if who%2 == 1 {
						argv = append([]string{"setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"}, argv...)
					}
					if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
						t.Errorf("process %d: %v: %s", who, err, out)
					}
				})
			}
			wg.Wait()
			want := fmt.Sprintf("ok\n%d\n%d", processes*rounds, processes*rounds)
			for _, at := range []string{db, filepath.Join(m.server, name)} {
				if got := sqlite(t, at, "PRAGMA integrity_check; SELECT n FROM counter; SELECT count(*) FROM log;"); got != want {
					t.Errorf("%s: %q, want %q", at, got, want)
				}
			}
		})
	}
}

// A writer that is killed in the middle of a transaction, with half of it in the
// database already, leaves a journal; the next one to open finds it and takes the
// half back.
func TestSqliteKilledWriter(t *testing.T) {
	testenv.Require(t, "sqlite3")
	m := mountFiles(t, "cache=no")
	db := filepath.Join(m.dir, "f.db")
	sqlite(t, db, "CREATE TABLE t(x TEXT); INSERT INTO t SELECT hex(randomblob(500)) FROM (WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < 300) SELECT i FROM c);")
	before := sqlite(t, db, "SELECT count(*), sum(length(x)) FROM t")
	cmd := exec.Command("sqlite3", "-batch", db)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out := &testenv.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "PRAGMA cache_size=5; BEGIN IMMEDIATE; UPDATE t SET x = 'gone'; INSERT INTO t SELECT hex(randomblob(900)) FROM t; SELECT 'written';\n")
	testenv.Eventually(t, 30*time.Second, "half a transaction is written", func() bool { return strings.Contains(out.String(), "written") })
	cmd.Process.Kill()
	cmd.Wait()
	if _, stderr, code := testenv.Run(t, nil, "test", "-s", filepath.Join(m.server, "f.db-journal")); code != 0 {
		t.Fatalf("no journal on the server: %s", stderr)
	}
	if got := sqlite(t, db, "SELECT count(*), sum(length(x)) FROM t; PRAGMA integrity_check;"); got != before+"\nok" {
		t.Errorf("%q, want %q", got, before+"\nok")
	}
}
