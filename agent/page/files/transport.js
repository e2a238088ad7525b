'use strict';
// How the page reaches the agent: on the TLS listener that has served it. Another file
// of this name does the same in Cockpit.
const transport = {
	needsLogin: true,
	ready: () => Promise.resolve(),
	async send(method, path, headers, body) {
		const answer = await fetch(path, {method, headers, body, credentials: 'omit', cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer'});
		return {status: answer.status, header: name => answer.headers.get(name), text: await answer.text()};
	},
};
