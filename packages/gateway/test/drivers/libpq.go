// Opens a session for every kind of state that lib/pq makes, and tells after each move what is left of it. Its words and answers are
// those of psycopg.py beside it.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/lib/pq"
)

var background = context.Background()

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// A pool with one connection, taken out for good: nothing is tried again elsewhere when it breaks.
func connect() *sql.Conn {
	pool, err := sql.Open("postgres", "")
	check(err)
	connection, err := pool.Conn(background)
	check(err)
	return connection
}

func run(connection *sql.Conn, text string, values ...interface{}) {
	_, err := connection.ExecContext(background, text, values...)
	check(err)
}

func one(connection *sql.Conn, text string, values ...interface{}) string {
	value, err := oneOf(connection, text, values...)
	check(err)
	return value
}

func oneOf(connection *sql.Conn, text string, values ...interface{}) (string, error) {
	var value sql.NullString
	err := connection.QueryRowContext(background, text, values...).Scan(&value)
	return value.String, err
}

func column(connection *sql.Conn, text string) (values []string) {
	rows, err := connection.QueryContext(background, text)
	check(err)
	defer rows.Close()
	for rows.Next() {
		var value string
		check(rows.Scan(&value))
		values = append(values, value)
	}
	check(rows.Err())
	return values
}

func same(found, expected interface{}) {
	if !reflect.DeepEqual(found, expected) {
		panic(fmt.Sprintf("%v instead of %v", found, expected))
	}
}

func until(what string, condition func() bool) {
	for i := 0; i < 6000; i++ {
		if condition() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	panic("waited in vain until " + what)
}

// Begins work beside the others; what it gives, or panics with, is had from the function that comes back.
func start(work func() string) func() string {
	done := make(chan func() string, 1)
	go func() {
		defer func() {
			if problem := recover(); problem != nil {
				done <- func() string { panic(problem) }
			}
		}()
		value := work()
		done <- func() string { return value }
	}()
	return func() string {
		select {
		case result := <-done:
			return result()
		case <-time.After(2 * time.Minute):
			panic("waited in vain for an answer")
		}
	}
}

// One kind of state, in a session of its own.
type kind struct {
	open   func() // once
	begin  func() // before each move
	finish func() // while the gateway waits for what is not at rest
	ask    func() // while nobody has a server
	check  func() string
}

// The check of a case of which all is there.
func kept(check func()) func() string {
	return func() string {
		check()
		return "kept"
	}
}

func settings() kind {
	var c *sql.Conn
	var pid string
	return kind{
		open: func() {
			check(os.Setenv("PGOPTIONS", "-c work_mem=5MB"))
			defer os.Unsetenv("PGOPTIONS")
			c = connect()
		},
		begin: func() {
			run(c, `SET work_mem = '9MB'; SET TimeZone = 'Asia/Tokyo'; SET search_path = "we ird", public`)
			pid = one(c, "SELECT pg_backend_pid()")
		},
		check: kept(func() {
			same(one(c, "SELECT pg_backend_pid()") == pid, false)
			same(one(c, "SELECT concat_ws(' ', current_setting('work_mem'), current_setting('TimeZone'), current_setting('search_path'))"),
				`9MB Asia/Tokyo "we ird", public`)
			run(c, "RESET work_mem")
			same(one(c, "SHOW work_mem"), "5MB")
		}),
	}
}

func customSettings() kind {
	var c *sql.Conn
	return kind{
		open: func() {
			c = connect()
			run(c, "SELECT set_config('app.tenant_id', $1, false)", "tenant 7")
		},
		check: kept(func() { same(one(c, "SELECT current_setting('app.tenant_id')"), "tenant 7") }),
	}
}

func role() kind {
	var c *sql.Conn
	return kind{
		open: func() {
			c = connect()
			run(c, "SET ROLE clerk")
		},
		check: kept(func() { same(one(c, "SELECT current_user || ' ' || session_user"), "clerk app_rw_alpha") }),
	}
}

func preparedByDriver() kind {
	var c *sql.Conn
	var statement *sql.Stmt
	add := func(n int) {
		var sum int
		check(statement.QueryRow(n).Scan(&sum))
		same(sum, n+1)
	}
	return kind{
		open: func() {
			var err error
			c = connect()
			statement, err = c.PrepareContext(background, "SELECT $1::int + 1")
			check(err)
			add(1)
		},
		check: kept(func() {
			add(41)
			same(column(c, "SELECT statement FROM pg_prepared_statements"), []string{"SELECT $1::int + 1"})
		}),
	}
}

func preparedBySql() kind {
	var c *sql.Conn
	return kind{
		open: func() {
			c = connect()
			run(c, "PREPARE twice (int) AS SELECT $1 * 2")
		},
		check: kept(func() { same(one(c, "EXECUTE twice(21)"), "42") }),
	}
}

// The driver's listener, which has a connection of its own.
func listen() kind {
	var listener *pq.Listener
	var sender *sql.Conn
	var asked func() string
	send := func(payload string) string { return one(sender, "SELECT pg_notify('news', $1)", payload) }
	hear := func() string {
		select {
		case news := <-listener.Notify:
			if news == nil {
				panic("the listener had to connect again")
			}
			return news.Extra
		case <-time.After(2 * time.Minute):
			panic("waited in vain for a notification")
		}
	}
	return kind{
		open: func() {
			sender = connect()
			listener = pq.NewListener("", time.Second, time.Second, nil)
			check(listener.Listen("news"))
		},
		begin: func() { send("before") },
		ask:   func() { asked = start(func() string { return send("meanwhile") }) },
		check: kept(func() {
			asked()
			send("after")
			same([]string{hear(), hear(), hear()}, []string{"before", "meanwhile", "after"})
			check(listener.Ping())
		}),
	}
}

func advisoryLocks() kind {
	var c, other *sql.Conn
	var grabbed func() string
	unlock := func() string { return one(c, "SELECT pg_advisory_unlock($1)", 7) }
	return kind{
		open:  func() { c, other = connect(), connect() },
		begin: func() { run(c, "SELECT pg_advisory_lock(7), pg_advisory_lock(7)") },
		ask:   func() { grabbed = start(func() string { return one(other, "SELECT pg_try_advisory_lock(7)") }) },
		check: kept(func() {
			same(grabbed(), "false")
			same([]string{unlock(), unlock(), unlock()}, []string{"true", "true", "false"})
		}),
	}
}

func lastval() kind {
	var c *sql.Conn
	var value string
	return kind{
		open: func() { c = connect() },
		begin: func() {
			run(c, "INSERT INTO counted DEFAULT VALUES")
			value = one(c, "SELECT lastval()")
		},
		check: kept(func() { same(one(c, "SELECT lastval()"), value) }),
	}
}

func currval() kind {
	var c *sql.Conn
	return kind{
		open:  func() { c = connect() },
		begin: func() { one(c, "SELECT nextval('counted_id_seq')") },
		check: func() string {
			_, err := oneOf(c, "SELECT currval('counted_id_seq')")
			if err == nil {
				return "kept"
			}
			same(err.(*pq.Error).Code, pq.ErrorCode("55000"))
			return "lost"
		},
	}
}

func cursor() kind {
	var c *sql.Conn
	return kind{
		open: func() { c = connect() },
		begin: func() {
			run(c, "DECLARE kept CURSOR WITH HOLD FOR SELECT generate_series(1, 6)")
			same(column(c, "FETCH 2 FROM kept"), []string{"1", "2"})
		},
		check: kept(func() {
			same(column(c, "FETCH 2 FROM kept"), []string{"3", "4"})
			same(column(c, "FETCH ALL FROM kept"), []string{"5", "6"})
			run(c, "CLOSE kept")
		}),
	}
}

func transaction() kind {
	var c *sql.Conn
	var open *sql.Tx
	var before int
	count := func() (rows int) {
		check(c.QueryRowContext(background, "SELECT count(*) FROM written").Scan(&rows))
		return rows
	}
	write := func() {
		_, err := open.Exec("INSERT INTO written VALUES ($1)", 1)
		check(err)
	}
	return kind{
		open: func() { c = connect() },
		begin: func() {
			var err error
			before = count()
			open, err = c.BeginTx(background, nil)
			check(err)
			write()
		},
		finish: func() {
			write()
			check(open.Commit())
		},
		check: kept(func() { same(count(), before+2) }),
	}
}

// A statement that waits for a lock, which another session gives back while the gateway waits.
func running() kind {
	var c, owner *sql.Conn
	var statement func() string
	return kind{
		open: func() { c, owner = connect(), connect() },
		begin: func() {
			run(owner, "BEGIN; SELECT pg_advisory_xact_lock(99)")
			pid := one(c, "SELECT pg_backend_pid()")
			statement = start(func() string { return one(c, "SELECT 'done' FROM pg_advisory_xact_lock(99)") })
			until("it runs", func() bool {
				return one(owner, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'", pid) == "1"
			})
		},
		finish: func() { run(owner, "COMMIT") },
		check: kept(func() {
			same(statement(), "done")
			same(one(c, "SELECT 1"), "1")
		}),
	}
}

// In a transaction, as the driver wants it.
func copyIn() kind {
	var c *sql.Conn
	var open *sql.Tx
	var statement *sql.Stmt
	var before int
	count := func() (rows int) {
		check(c.QueryRowContext(background, "SELECT count(*) FROM copied").Scan(&rows))
		return rows
	}
	write := func() {
		for n := 0; n < 500; n++ {
			_, err := statement.Exec(n)
			check(err)
		}
	}
	return kind{
		open: func() { c = connect() },
		begin: func() {
			var err error
			before = count()
			open, err = c.BeginTx(background, nil)
			check(err)
			statement, err = open.Prepare(pq.CopyIn("copied", "n"))
			check(err)
			write()
		},
		finish: func() {
			write()
			_, err := statement.Exec()
			check(err)
			check(statement.Close())
			check(open.Commit())
		},
		check: kept(func() { same(count(), before+1000) }),
	}
}

// A connection that stops before a message that it is to send.
type stopping struct {
	net.Conn
	passes  int64         // how many more go out at once; below 0 all
	reached chan struct{} // is told when one has to wait
	goOn    chan struct{}
}

func (s *stopping) Write(data []byte) (int, error) {
	if atomic.AddInt64(&s.passes, -1) == -1 {
		s.reached <- struct{}{}
		<-s.goOn
	}
	return s.Conn.Write(data)
}

func (s *stopping) Dial(network, address string) (connection net.Conn, err error) {
	s.Conn, err = net.Dial(network, address)
	return s, err
}

func (s *stopping) DialTimeout(network, address string, timeout time.Duration) (connection net.Conn, err error) {
	s.Conn, err = net.DialTimeout(network, address, timeout)
	return s, err
}

// The driver has a statement with values described in one round trip, and binds it in the next: the move comes between the two.
func unnamed() kind {
	var c *sql.Conn
	var question func() string
	socket := &stopping{passes: -1, reached: make(chan struct{}, 1), goOn: make(chan struct{})}
	return kind{
		open: func() {
			connector, err := pq.NewConnector("")
			check(err)
			connector.Dialer(socket)
			c, err = sql.OpenDB(connector).Conn(background)
			check(err)
		},
		begin: func() {
			atomic.StoreInt64(&socket.passes, 1)
			question = start(func() string { return one(c, "SELECT $1::bigint + 1", 41) })
			select {
			case <-socket.reached:
			case <-time.After(2 * time.Minute):
				panic("waited in vain until it is to be bound")
			}
		},
		check: kept(func() {
			socket.goOn <- struct{}{}
			same(question(), "42")
		}),
	}
}

// By the key of before the move. The driver does not use the connection again.
func cancel() kind {
	var c, other *sql.Conn
	return kind{
		open:  func() { other = connect() },
		begin: func() { c = connect() },
		check: kept(func() {
			pid := one(c, "SELECT pg_backend_pid()")
			limited, cancel := context.WithCancel(background)
			query := start(func() string {
				_, err := c.ExecContext(limited, "SELECT pg_sleep(600)")
				return err.Error()
			})
			until("it runs", func() bool {
				return one(other, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", pid) == "1"
			})
			cancel()
			same(query(), "pq: canceling statement due to user request")
			c.Close()
		}),
	}
}

// In a new session each time, which ends. The driver says the same of all ends.
func ended(text string) kind {
	var c *sql.Conn
	return kind{
		begin: func() {
			c = connect()
			run(c, text)
		},
		check: func() string {
			_, err := oneOf(c, "SELECT 1")
			if err == nil {
				return "kept"
			}
			return "ended: " + err.Error()
		},
	}
}

var kinds = map[string]kind{
	"settings":                          settings(),
	"custom settings":                   customSettings(),
	"computed custom settings":          ended("SELECT set_config('app.' || 'x', '1', false)"),
	"role":                              role(),
	"statements prepared by the driver": preparedByDriver(),
	"statements prepared by SQL":        preparedBySql(),
	"unnamed statement":                 unnamed(),
	"listen":                            listen(),
	"advisory locks":                    advisoryLocks(),
	"lastval":                           lastval(),
	"currval":                           currval(),
	"temporary table":                   ended("CREATE TEMPORARY TABLE basket (n int)"),
	"cursor":                            cursor(),
	"transaction":                       transaction(),
	"running statement":                 running(),
	"copy in":                           copyIn(),
	"cancel":                            cancel(),
}

// The answer of a case to a word; none where it has nothing to do.
func tell(which kind, word string) (answer string, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = errors.New(fmt.Sprint(problem))
		}
	}()
	work := map[string]func(){"open": which.open, "begin": which.begin, "finish": which.finish, "ask": which.ask}[word]
	switch {
	case word == "check":
		answer = which.check()
	case work != nil:
		work()
	}
	return answer, nil
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		answers := map[string]string{}
		for name, which := range kinds {
			answer, err := tell(which, input.Text())
			if err != nil {
				answers[name] = err.Error()
			} else if answer != "" {
				answers[name] = answer
			}
		}
		check(json.NewEncoder(os.Stdout).Encode(answers))
	}
}
