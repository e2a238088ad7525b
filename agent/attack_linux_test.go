package agent

import (
	"bufio"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/chif/chiftest/need"
)

// BenchmarkReadsUnderAttack measures fresh reads of root and of an operator, first
// alone and then while one reader does all of these: 400 client sessions that read
// without pause, 500 connections, 60 recursive reads whose answers it does not take. The
// agent is the program itself below the MemoryMax of its service, and the iLO takes
// 50 ms for each request.
func BenchmarkReadsUnderAttack(b *testing.B) {
	need.Root(b)
	group := newCgroup(b, memoryMax(b))
	dir := b.TempDir()
	serveLarge(b, filepath.Join(dir, "ilo"), 50*time.Millisecond)
	socket := startAgent(b, group, dir)
	const reader, operator = firstReader, firstReader + readers - 1
	read := func(uid int) float64 {
		conn := dialAs(b, socket, uid)
		defer conn.Close()
		began := time.Now()
		if got := status(b, conn, "GET /redfish/v1/Systems/1/ HTTP/1.1\r\nHost: x\r\nCache-Control: no-cache\r\n\r\n"); got != 200 {
			b.Errorf("user %d: %d", uid, got)
		}
		return time.Since(began).Seconds() * 1e3
	}
	medians := func() (root, other float64) {
		var all [2][]float64
		for range max(b.N, 21) {
			all[0], all[1] = append(all[0], read(0)), append(all[1], read(operator))
		}
		for i := range all {
			slices.Sort(all[i])
		}
		return all[0][len(all[0])/2], all[1][len(all[1])/2]
	}
	read(0) // logs in
	rootQuiet, otherQuiet := medians()

	end := attack(b, socket, reader)
	time.Sleep(2 * time.Second)
	root, other := medians()
	group.report(b, "under attack")
	end()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rootQuiet, "root-alone-ms")
	b.ReportMetric(root, "root-ms")
	b.ReportMetric(root/rootQuiet, "root-ratio")
	b.ReportMetric(otherQuiet, "operator-alone-ms")
	b.ReportMetric(other, "operator-ms")
	b.ReportMetric(other/otherQuiet, "operator-ratio")
}

// attack is what one user does until end is called.
func attack(b *testing.B, socket string, uid int) (end func()) {
	var handles []string
	for range 400 {
		conn := dialAs(b, socket, uid)
		_, _ = io.WriteString(conn, "POST /ilod/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != http.StatusCreated {
			b.Fatalf("session: %v, %v", resp, err)
		}
		handles = append(handles, resp.Header.Get("X-Auth-Token"))
		_ = conn.Close()
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, handle := range handles {
		all.Go(func() {
			for {
				conn := dialAs(b, socket, uid)
				_, _ = io.WriteString(conn, "GET /redfish/v1/Chassis/1/ HTTP/1.1\r\nHost: x\r\nCache-Control: no-cache\r\nX-Auth-Token: "+handle+"\r\n\r\n")
				_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				_, _ = bufio.NewReader(conn).ReadString('\n')
				_ = conn.Close()
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	for n := range 500 {
		conn := dialAs(b, socket, uid)
		if n < 60 {
			_, _ = io.WriteString(conn, "GET /redfish/v1/ HTTP/1.1\r\nHost: x\r\n"+clients.RecursiveHeader+": true\r\n\r\n")
		}
		all.Go(func() {
			<-stop
			_ = conn.Close()
		})
	}
	return func() {
		close(stop)
		all.Wait()
	}
}
