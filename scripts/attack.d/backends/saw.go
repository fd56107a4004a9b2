// Tells of every request and answers with what it was.
package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

var telling sync.Mutex

func word(text string) string {
	return "." + base64.StdEncoding.EncodeToString([]byte(text))
}

func saw(w http.ResponseWriter, r *http.Request) {
	from, _, _ := net.SplitHostPort(r.RemoteAddr)
	head := strings.Builder{}
	fmt.Fprintf(&head, "Host: %s\r\n", r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			fmt.Fprintf(&head, "%s: %s\r\n", name, value)
		}
	}
	body, err := io.ReadAll(r.Body)
	whole := "1"
	if err != nil {
		whole = "0"
	}
	telling.Lock()
	fmt.Println(from, word(r.Method), word(r.RequestURI), word(head.String()), word(string(body)), whole)
	telling.Unlock()
	w.Header().Set("X-Saw", base64.RawURLEncoding.EncodeToString([]byte(r.Method+" "+r.RequestURI)))
	fmt.Fprintf(w, "%d bytes", len(body))
}

func main() {
	server := &http.Server{Addr: os.Args[1], Handler: http.HandlerFunc(saw)}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}
