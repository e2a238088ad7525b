package chif_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/stmcginnis/gofish"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// simulatedILO stands in for chif.ParseDevice("auto") on a host without an iLO.
func simulatedILO() (dev chif.Device, stop func()) {
	service, err := redfish.New(redfish.Options{})
	if err != nil {
		panic(err)
	}
	s, err := chiftest.NewServer(chiftest.Options{Handler: service})
	if err != nil {
		panic(err)
	}
	return s.Device(), func() { s.Close() }
}

// A Transport makes any http.Client speak to the local iLO. The URL's scheme
// and host do not matter.
func Example() {
	dev, stop := simulatedILO() // on a server: chif.ParseDevice("auto")
	defer stop()
	transport, err := chif.NewTransport(dev, chif.TransportOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer transport.Close()
	client := &http.Client{Transport: transport}

	resp, err := client.Get("https://ilo/redfish/v1/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var root struct{ Name string }
	if err := json.NewDecoder(resp.Body).Decode(&root); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.StatusCode, root.Name)
	// Output: 200 HPE RESTful Root Service
}

// gofish works on top of the channel, too. It logs in with a user name and a
// password, and must log out.
func Example_gofish() {
	dev, stop := simulatedILO()
	defer stop()
	transport, err := chif.NewTransport(dev, chif.TransportOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer transport.Close()

	ilo, err := gofish.ConnectContext(context.Background(), gofish.ClientConfig{
		Endpoint:   "https://ilo",
		Username:   "Administrator",
		Password:   "password",
		HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ilo.Logout()
	systems, err := ilo.Service.Systems()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range systems {
		fmt.Println(strings.Fields(s.Model)[0], s.PowerState)
	}
	// Output: ProLiant On
}

// Status reads the SMIF status, which needs neither HTTP nor a session.
func ExampleTransport_Status() {
	dev, stop := simulatedILO()
	defer stop()
	transport, err := chif.NewTransport(dev, chif.TransportOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer transport.Close()

	status, err := transport.Status(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(status.SecurityState)
	// Output: Production
}
