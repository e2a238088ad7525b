// Command attacker attacks an agent with the rights of an ordinary local user. It
// runs until it is killed, except for body.
//
//	attacker unread N PATH [HEADER]   N requests whose answers it does not read
//	attacker sessions N               N client sessions that read without pause
//	attacker idle N                   N connections without a request
//	attacker body BYTES               stages a body of this size, and prints the status
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const socket = "/run/ilod/ilod.sock"

func main() {
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	switch os.Args[1] {
	case "unread":
		connect(n, "GET "+os.Args[3]+" HTTP/1.1\r\nHost: x\r\n"+strings.Join(append(os.Args[4:], "\r\n"), "\r\n"))
	case "idle":
		connect(n, "")
	case "sessions":
		handles := make([]string, n)
		for i := range handles {
			handles[i] = "X-Auth-Token: " + ask("POST", "/ilod/v1/sessions", "", "").Header.Get("X-Auth-Token") + "\r\n"
		}
		for _, handle := range handles {
			go func() {
				for {
					ask("GET", "/redfish/v1/Chassis/1/", "", handle)
				}
			}()
		}
	case "body":
		fmt.Println(ask("POST", "/ilod/v1/transaction", "", "").StatusCode)
		body := `{"Boot":{"BootOrder":[` + strings.Repeat("1,", n/2) + `1]}}`
		fmt.Println(ask("PATCH", "/redfish/v1/Systems/1/", body, "").StatusCode)
		return
	default:
		panic("no such attack")
	}
	fmt.Println("ready")
	time.Sleep(5 * time.Minute)
}

// connect makes connections that are never read.
func connect(n int, request string) {
	for range n {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			panic(err)
		}
		go func() {
			_, _ = io.WriteString(conn, request) // until it is closed
			time.Sleep(time.Hour)
			_ = conn.Close()
		}()
	}
}

// ask is one request on a connection of its own. A refusal is an answer, too.
func ask(method, path, body, header string) *http.Response {
	for {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			panic(err)
		}
		_, _ = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nCache-Control: no-cache\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",
			method, path, header, len(body), body)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
		}
		_ = conn.Close()
		if err == nil {
			return resp
		}
		time.Sleep(100 * time.Millisecond)
	}
}
