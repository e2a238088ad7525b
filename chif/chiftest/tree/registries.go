package tree

import (
	"fmt"
	"strings"
	"time"
)

// registries are the message registries and the one of the BIOS settings, each
// with its file in the store.
func (b *builder) registries() {
	f := firmware[b.generation]
	files := []struct {
		id, version, uri string
		body             obj
	}{
		{"Base", f.base, Root + "/RegistryStore/registries/en/Base.json", messageRegistry("Base", map[string]string{
			"Success": "The operation completed successfully.", "Created": "The resource was created successfully.",
			"NoValidSession":       "There is no valid session established with the implementation.",
			"ResourceMissingAtURI": "The resource at the URI %1 was not found.", "MalformedJSON": "The request body submitted was malformed JSON.",
			"PropertyUnknown":               "The property %1 is not in the list of valid properties for the resource.",
			"PropertyValueTypeError":        "The value %1 for the property %2 is of a different type than the property can accept.",
			"PropertyValueNotInList":        "The value %1 for the property %2 is not in the list of acceptable values.",
			"PropertyNotWritable":           "The property %1 is a read only property and cannot be assigned a value.",
			"InsufficientPrivilege":         "There are insufficient privileges for the account to perform the requested operation.",
			"SessionLimitExceeded":          "The number of simultaneous sessions exceeds the maximum number allowed by the implementation.",
			"PreconditionFailed":            "The ETag supplied did not match the ETag required to change this resource.",
			"ServiceTemporarilyUnavailable": "The service is temporarily unavailable. Retry in %1 seconds."})},
		{"iLO", f.ilo, Root + "/RegistryStore/registries/en/iLO.json", messageRegistry("iLO", map[string]string{
			"ResetInProgress":          "A management processor reset is in progress.",
			"SystemResetRequired":      "The system properties were correctly changed, but will not take effect until the system is reset.",
			"ResourceNotReadyRetry":    "The resource is not ready. Retry after %1 seconds.",
			"UnauthorizedLoginAttempt": "The login was not successful, because the supplied credentials could not be authorized.",
			"ETagTooLong":              "The ETag is too long. An ETag has at most %1 bytes."})},
		{biosRegistry, biosRegistry, Root + "/RegistryStore/registries/en/" + strings.ToLower(biosRegistry), registry()},
	}
	var paths []string
	for _, r := range files {
		path := "Registries/" + r.id
		paths = append(paths, path)
		b.add(path, "MessageRegistryFile", obj{"Name": r.id + " Message Registry File", "Description": "Registry Definition File for " + r.id,
			"Languages": []string{"en"}, "Location": list{obj{"Language": "en", "Uri": r.uri}}, "Registry": r.version})
		r.body["@odata.id"] = r.uri
		b.put(r.uri, r.body, "")
	}
	b.collection("Registries", "MessageRegistryFile", b.links(paths...))
}

func messageRegistry(prefix string, texts map[string]string) obj {
	messages := obj{}
	for id, text := range texts {
		n := strings.Count(text, "%")
		severity := "Warning"
		if id == "Success" || id == "Created" {
			severity = "OK"
		}
		params := []string{}
		for range n {
			params = append(params, "string")
		}
		messages[id] = obj{"Message": text, "Description": text, "NumberOfArgs": n, "ParamTypes": params, "Severity": severity, "Resolution": "None."}
	}
	return obj{"@odata.type": "#MessageRegistry.v1_6_0.MessageRegistry", "Id": prefix + ".json", "Name": prefix + " Message Registry", "Language": "en",
		"RegistryPrefix": prefix, "OwningEntity": "HPE", "Messages": messages}
}

// jsonSchemas adds the schemas, each with its file in the store.
func (b *builder) jsonSchemas(names []string) {
	var paths []string
	for _, schema := range names {
		name := b.name(schema)
		path, uri := "JsonSchemas/"+name, Root+"/SchemaStore/en/"+name+".json"
		paths = append(paths, path)
		b.add(path, "JsonSchemaFile", obj{"Name": name + " Schema Definition File", "Description": "Schema Definition File for " + name,
			"Languages": []string{"en"}, "Location": list{obj{"Language": "en", "Uri": uri}}, "Schema": b.typ(schema)})
		properties := obj{}
		for _, p := range []string{"@odata.context", "@odata.etag", "@odata.id", "@odata.type", "Id", "Name", "Description"} {
			properties[p] = obj{"type": "string", "readonly": true, "etag": true, "description": "This property is " + p + " of the schema " + name + "."}
		}
		b.put(uri, obj{"$schema": "http://json-schema.org/draft-04/schema#", "title": b.typ(schema), "type": "object",
			"additionalProperties": true, "description": "The schema of " + name + ".", "properties": properties}, "")
	}
	b.collection("JsonSchemas", "JsonSchemaFile", b.links(paths...))
}

// log adds a log service with n entries, which its collection holds in full
// (agent/ILO.md §5).
func (b *builder) log(owner, id, name string, n int) {
	path := owner + "/LogServices/" + id
	b.collection(owner+"/LogServices", "LogService", b.links(path))
	b.add(path, "LogService", obj{"Name": name, "Entries": b.link(path + "/Entries"), "OverWritePolicy": "WrapsWhenFull", "ServiceEnabled": true,
		"Status": healthy, "Actions": b.actions(path, "LogService.ClearLog")})
	texts := []string{"Browser login: %s - 192.0.2.20 (DNS name not found).", "Server power restored by %s.", "Redfish logout: %s.",
		"Power supply input restored, seen by %s.", "Firmware inventory updated for %s."}
	members := list{}
	for i := range n {
		entry := fmt.Sprint(path, "/Entries/", i+1)
		created := time.Date(2025, 1, 1, 0, 0, 7*i, 0, time.UTC).Format(time.RFC3339)
		body := func() obj {
			return obj{"@odata.context": b.context("LogEntry"), "@odata.id": b.uri(entry), "@odata.type": b.typ("LogEntry"), "Id": fmt.Sprint(i + 1),
				"Name": name, "EntryType": "Oem", "OemRecordFormat": "Hpe-" + id, "Created": created, "Severity": "OK",
				"Message": fmt.Sprintf(texts[i%len(texts)], "Administrator"),
				"Oem": b.oem("HpeLogEntry", obj{"Class": 35, "Code": i%len(texts) + 1, "Count": 1, "EventNumber": i + 1, "Severity": "Informational",
					"Updated": created, "Categories": []string{"Administration"}})}
		}
		members = append(members, body())
		b.add(entry, "LogEntry", body())
	}
	b.collection(path+"/Entries", "LogEntry", members)
}
