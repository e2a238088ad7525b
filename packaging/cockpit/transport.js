'use strict';
// How the page reaches the agent in Cockpit: on its Unix socket, with the rights of the
// user who is logged in to Cockpit, never with those of an administrator.
const transport = {
	needsLogin: false,
	ready: () => new Promise((done, fail) => {
		const script = document.createElement('script');
		script.src = '../base1/cockpit.js';
		script.onload = () => done();
		script.onerror = () => fail(new Error('Cockpit does not answer.'));
		document.head.append(script);
	}),
	send(method, path, headers, body) {
		const client = cockpit.http({unix: '/run/ilod/ilod.sock'});
		let status = 0, fields = {};
		const request = client.request({method, path, headers, body: body || ''});
		request.response((code, all) => {
			status = code;
			for (const name in all) fields[name.toLowerCase()] = all[name];
		});
		const answer = text => ({status, header: name => fields[name.toLowerCase()] || null, text: text || ''});
		return new Promise((done, fail) => {
			request.then(text => done(answer(text)), (error, text) => {
				client.close();
				if (status) done(answer(text));
				else fail(new Error('The agent does not answer on /run/ilod/ilod.sock: ' + (error.message || error.problem)));
			});
		});
	},
};
