// An application with pgx, for measuring what changes cost it. README.md one folder up says how such a program is
// started, told and asked. Clients that keep their connection have it from pgxpool.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

type totals struct {
	Done        int      `json:"done"`
	Failed      int      `json:"failed"`
	Refused     int      `json:"refused"`
	Unconnected int      `json:"unconnected"`
	Opened      int      `json:"opened"`
	Relogins    int      `json:"relogins"`
	Errors      []string `json:"errors"`
}

type application struct {
	sync.Mutex
	totals
	kind      string
	asks      bool
	passwords []string
	pool      *pgxpool.Pool
	stopped   chan struct{}
}

func (a *application) add(counter *int) {
	a.Lock()
	defer a.Unlock()
	*counter++
}

func (a *application) tell() {
	a.Lock()
	defer a.Unlock()
	line, _ := json.Marshal(a.totals)
	fmt.Println(string(line))
}

func (a *application) password() string {
	a.Lock()
	defer a.Unlock()
	return a.passwords[0]
}

// Puts the other password first, unless somebody has.
func (a *application) otherPassword(refused string) {
	a.Lock()
	defer a.Unlock()
	a.Relogins++
	if last := len(a.passwords) - 1; a.passwords[0] == refused {
		a.passwords[0], a.passwords[last] = a.passwords[last], a.passwords[0]
	}
}

func isRefused(err error) bool {
	return strings.Contains(err.Error(), "authentication failed")
}

// With the other password where one is refused, as an application does that reads its Secret again.
func (a *application) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("")
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		config.Password = a.password()
		connection, err := pgx.ConnectConfig(ctx, config)
		if err == nil {
			a.add(&a.Opened)
			return connection, nil
		}
		if !isRefused(err) || time.Now().After(end) {
			return nil, err
		}
		a.otherPassword(config.Password)
	}
}

// One transaction with prepared statements, as pgx makes them by itself.
func (a *application) transact(ctx context.Context, begin func(context.Context) (pgx.Tx, error), worker, n int) error {
	tx, err := begin(ctx)
	if err != nil {
		a.add(&a.Refused)
		return err
	}
	err = func() error {
		insert := "INSERT INTO done (kind, worker, n) VALUES ($1, $2, $3)"
		if _, err := tx.Exec(ctx, insert, a.kind, worker, n); err != nil {
			return err
		}
		var next int
		if err := tx.QueryRow(ctx, "SELECT $1::int + 1 AS next", n).Scan(&next); err != nil {
			return err
		}
		return tx.Commit(ctx)
	}()
	if err != nil {
		_ = tx.Rollback(ctx)
		a.add(&a.Failed)
		return err
	}
	a.add(&a.Done)
	return nil
}

func (a *application) once(worker, n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if a.pool != nil {
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			connection, err := a.pool.Acquire(ctx)
			if err == nil {
				defer connection.Release()
				return a.transact(ctx, connection.Begin, worker, n)
			}
			if !isRefused(err) || time.Now().After(end) {
				a.add(&a.Unconnected)
				return err
			}
			a.otherPassword(a.password())
		}
	}
	connection, err := a.connect(ctx)
	if err != nil {
		a.add(&a.Unconnected)
		return err
	}
	defer connection.Close(ctx)
	return a.transact(ctx, connection.Begin, worker, n)
}

func (a *application) work(worker int) {
	for n := 0; ; n++ {
		if err := a.once(worker, n); err != nil {
			a.Lock()
			if len(a.Errors) < 20 {
				a.Errors = append(a.Errors, time.Now().UTC().Format(time.RFC3339)+" "+err.Error())
			}
			a.Unlock()
		}
		select {
		case <-a.stopped:
			return
		case <-time.After(time.Duration(20+rand.IntN(380)) * time.Millisecond):
		}
	}
}

func (a *application) openPool(count int) error {
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		return err
	}
	config.MinConns, config.MaxConns = int32(count), int32(count)
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		c.Password = a.password()
		return nil
	}
	config.AfterConnect = func(context.Context, *pgx.Conn) error {
		a.add(&a.Opened)
		return nil
	}
	// By itself it asks those that were idle for a second.
	if a.asks {
		config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return true }
	}
	a.pool, err = pgxpool.NewWithConfig(context.Background(), config)
	return err
}

func main() {
	way := os.Args[1]
	count, err := strconv.Atoi(os.Args[2])
	a := &application{kind: "pgx " + way, asks: way == "hold", stopped: make(chan struct{})}
	a.Errors, a.passwords = []string{}, []string{os.Getenv("PGPASSWORD")}
	if err == nil && way != "reconnect" {
		err = a.openPool(count)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var workers sync.WaitGroup
	for worker := range count {
		workers.Go(func() { a.work(worker) })
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		word, value, _ := strings.Cut(lines.Text(), " ")
		if word == "stop" {
			break
		}
		if word == "report" {
			a.tell()
		}
		if word == "password" {
			a.Lock()
			a.passwords = append(a.passwords, value)
			a.Unlock()
		}
	}
	close(a.stopped)
	workers.Wait()
	a.tell()
}
