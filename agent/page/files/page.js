'use strict';
// Whatever the agent says is text, never markup: textContent only. The handle stays in
// this variable, and is gone with the page.
let handle = '';
const SESSIONS = '/redfish/v1/SessionService/Sessions';
const $ = id => document.getElementById(id);

function el(name, props, ...children) {
	const node = document.createElement(name);
	for (const key in props || {}) {
		if (key === 'on') node.addEventListener('click', props.on);
		else if (key === 'label') node.dataset.label = props.label;
		else node[key] = props[key];
	}
	node.append(...children.filter(child => child !== null).map(child => child instanceof Node ? child : String(child)));
	return node;
}

class Fault extends Error {
	constructor(status, info, text) {
		super(text);
		this.status = status;
		this.info = info;
	}
}

// ask sends one request; a refusal becomes a Fault with the agent's own words.
async function ask(method, path, body) {
	const headers = {'Accept': 'application/json', 'OData-Version': '4.0'};
	if (handle) headers['X-Auth-Token'] = handle;
	if (body !== undefined) headers['Content-Type'] = 'application/json';
	let answer;
	try {
		answer = await transport.send(method, path, headers, body === undefined ? undefined : JSON.stringify(body));
	} catch (error) {
		throw new Fault(0, null, 'The agent does not answer. ' + error.message);
	}
	let json = null;
	try { json = JSON.parse(answer.text); } catch { /* an empty body, or none in JSON */ }
	if (answer.status >= 400) {
		const info = json && json.error;
		const more = ((info && info['@Message.ExtendedInfo']) || []).flatMap(m => [m.Message, m.Resolution]);
		const text = [...new Set([info && info.message, ...more].filter(Boolean))].join('\n') || answer.text || 'Status ' + answer.status;
		throw new Fault(answer.status, json, text);
	}
	return {json, age: Number(answer.header('Age') || 0), header: answer.header};
}

function span(seconds) {
	if (!(seconds >= 0)) return 'unknown';
	if (seconds < 90) return Math.round(seconds) + ' s';
	if (seconds < 5400) return Math.round(seconds / 60) + ' min';
	if (seconds < 129600) return Math.round(seconds / 3600) + ' h';
	return Math.round(seconds / 86400) + ' d';
}
const since = time => span(Math.max(0, (Date.now() - Date.parse(time)) / 1000));
const value = v => v === undefined || v === null ? 'nothing' : v === '' ? '""' : typeof v === 'object' ? JSON.stringify(v) : String(v);
const say = text => { $('said').textContent = text; };
function fail(error) {
	$('wrong').textContent = error ? error.message : '';
	if (error) $('wrong').focus();
}

// find looks for a property anywhere in a refusal.
function find(node, name) {
	if (!node || typeof node !== 'object') return undefined;
	if (name in node) return node[name];
	for (const key in node) {
		const found = find(node[key], name);
		if (found !== undefined) return found;
	}
}

function table(heads, rows) {
	return el('div', {className: 'scroll'}, el('table', {className: heads.length > 3 ? 'stack' : ''},
		el('thead', null, el('tr', null, ...heads.map(h => el('th', {scope: 'col'}, h)))),
		el('tbody', null, ...rows.map(cells => el('tr', null, ...cells.map((cell, i) => el('td', {className: i === heads.length - 1 && heads[i] === '' ? 'act' : '', label: heads[i] || ' '}, cell)))))));
}
const state = s => el('span', {className: ['OK', 'Warning', 'Critical'].includes(s) ? s : 'Unknown'}, s || 'not reported');

// choose shows a dialog; it gives the chosen ids, or null for cancel, which Escape is too.
function choose(title, text, ok, picks, least) {
	const dialog = $('choose');
	$('choose-title').textContent = title;
	$('choose-text').textContent = text;
	$('choose-ok').textContent = ok;
	const boxes = picks.map(pick => ({id: pick.id, box: el('input', {type: least > 1 ? 'checkbox' : 'radio', name: 'pick'}), text: pick.text}));
	$('choose-list').replaceChildren(...boxes.map(b => el('label', {className: 'pick'}, b.box, el('span', null, b.text))));
	const chosen = () => boxes.filter(b => b.box.checked).map(b => b.id);
	const check = () => { $('choose-ok').disabled = chosen().length < least; };
	$('choose-list').onchange = check;
	check();
	return new Promise(done => {
		const end = result => { dialog.onclose = null; dialog.close(); done(result); };
		$('choose-ok').onclick = () => end(chosen());
		$('choose-cancel').onclick = () => end(null);
		dialog.onclose = () => done(null);
		dialog.showModal();
		(boxes.length ? boxes[0].box : $('choose-cancel')).focus();
	});
}

const who = s => [s.id, s.name, s.user, s.kind, s.address || (s.process && s.process.name && s.process.name + ' ' + s.process.id), s.agent,
	'begun ' + since(s.created) + ' ago', 'used ' + since(s.used) + ' ago', s.holds].filter(Boolean).join(', ');

// login makes a session. At the maximum it asks which one to end, and sends the same
// request with that.
async function login(body) {
	let query = '';
	for (;;) {
		try {
			const made = await ask('POST', SESSIONS + query, body);
			handle = made.header('X-Auth-Token') || '';
			return true;
		} catch (error) {
			const all = find(error.info, 'Candidates');
			if (query || !Array.isArray(all) || find(error.info, 'MayEnd') === false) throw error;
			const least = Math.max(1, find(error.info, 'MustEnd') || 1);
			const ids = await choose('The maximum of sessions is reached', error.message, 'End and go on', all.map(s => ({id: s.id, text: who(s)})), least);
			if (!ids) { say('Cancelled. No session was ended or made.'); return false; }
			query = '?' + ids.map(id => 'terminate=' + encodeURIComponent(id)).join('&');
		}
	}
}

function showLogin() {
	handle = '';
	$('actions').hidden = true;
	$('server').textContent = '';
	const field = (text, props) => el('label', null, text, el('input', props));
	const name = field('User name', {required: true, autocomplete: 'username', id: 'name'});
	const password = field('Password', {required: true, type: 'password', autocomplete: 'current-password', id: 'password'});
	const go = el('button', {className: 'main', id: 'login'}, 'Log in');
	const form = el('form', null, name, password, el('div', {className: 'actions'}, go));
	form.addEventListener('submit', event => {
		event.preventDefault();
		busy(go, async () => {
			if (await login({UserName: $('name').value, Password: $('password').value})) { say(''); await show(); }
		});
	});
	$('main').replaceChildren(el('section', null, el('div', {className: 'head'}, el('h2', null, 'Log in')),
		el('p', {className: 'soft'}, 'Root finds name and password in tls-login.toml in the agent’s runtime directory. They are not those of the iLO.'), form));
	$('name').focus();
}

async function busy(button, work) {
	button.disabled = true;
	fail(null);
	try { await work(); } catch (error) {
		if (error.status === 401 && handle && transport.needsLogin) showLogin();
		fail(error);
	} finally { button.disabled = false; }
}
const act = (text, label, work, main) => el('button', {type: 'button', className: main ? 'main' : '', ariaLabel: label, on: event => busy(event.currentTarget, work)}, text);

async function confirmed(title, text, ok, work, done) {
	if (!await choose(title, text, ok, [], 0)) { say('Cancelled. Nothing was changed.'); return; }
	await work();
	await show();
	say(done);
}

// part is a section that loads by itself, so that a fault of one leaves the others.
async function part(section, title, load) {
	const age = el('span', {className: 'age'}, 'reading …');
	section.replaceChildren(el('div', {className: 'head'}, el('h2', null, title), age));
	try {
		const got = await load();
		age.textContent = got.age;
		section.append(...got.nodes);
	} catch (error) {
		age.textContent = 'not read';
		section.append(el('div', {className: 'fault'}, error.message));
		return error;
	}
}

async function health() {
	const {json: r} = await ask('GET', '/ilod/v1/health');
	const s = r.system || {};
	$('server').textContent = [s.model, s.serialNumber, s.hostName].filter(Boolean).join(', ');
	const bad = (r.parts || []).flatMap(p => (p.unhealthy || []).map(c => [c.name || '', state(c.state), c.reason || '']));
	const nodes = [el('p', {className: 'state'}, state(r.state))];
	if (bad.length) nodes.push(table(['Component', 'State', 'Why'], bad));
	nodes.push(table(['Part', 'State', 'Number'], (r.parts || []).map(p => [p.name, state(p.state), p.count || ''])));
	nodes.push(el('p', {className: 'soft'}, (r.firmware || []).map(f => f.name + ': ' + f.version).join(', ')));
	if ((r.problems || []).length) nodes.push(el('div', {className: 'fault'}, 'Not read:\n' + r.problems.map(p => p.path + ': ' + p.error).join('\n')));
	return {age: r.age > 0 ? 'the oldest value is ' + span(r.age) + ' old' : 'read just now', nodes};
}

async function ownSessions() {
	const {json} = await ask('GET', '/ilod/v1/sessions');
	const rows = json.Members.map(s => [s.id + (s.name ? ', ' + s.name : ''), s.user, s.kind || '', s.address || (s.process ? s.process.name : ''), since(s.created) + ' ago', since(s.used) + ' ago', s.holds || '',
		s.current ? 'this page' : act('End this one', 'End session ' + s.id, () => confirmed('End this session?', who(s), 'End this one', () => ask('DELETE', '/ilod/v1/sessions/' + encodeURIComponent(s.id)), 'Session ' + s.id + ' has ended.'))]);
	return {age: 'read just now', nodes: [rows.length ? table(['Session', 'User', 'Kind', 'From', 'Begun', 'Last use', 'Holds', ''], rows) : el('p', null, 'There are none.')]};
}

async function iloSessions() {
	const {json, age} = await ask('GET', '/ilod/v1/ilo-sessions');
	const rows = json.Members.map(s => {
		const text = [s.id, s.userName, s.kind, s.userIP, 'begun ' + span(s.age) + ' ago'].filter(Boolean).join(', ');
		return [s.userName, s.kind, s.userIP, span(s.age) + ' ago', span(s.idle) + ' ago', s.current ? 'the agent' : s.ours ? 'ilod' : s.inBand ? 'program of this host' : 'other',
			act('End this one', 'End iLO session ' + s.id, () => confirmed('End this session on the iLO?', text, 'End this one', () => ask('DELETE', '/ilod/v1/ilo-sessions/' + (s.current ? 'current' : encodeURIComponent(s.id))), 'The iLO session of ' + s.userName + ' has ended.'))];
	});
	return {age: age > 0 ? span(age) + ' old' : 'read just now', nodes: [rows.length ? table(['User', 'Kind', 'Address', 'Begun', 'Last use', 'Whose', ''], rows) : el('p', null, 'There are none.')]};
}

const change = (property, from, to) => [property, el('del', null, value(from)), el('ins', null, value(to))];

async function staged() {
	let tx;
	try { tx = (await ask('GET', '/ilod/v1/transaction')).json; } catch (error) {
		if (error.status === 404) return {age: '', nodes: [el('p', null, 'This session has no open transaction.')]};
		throw error;
	}
	const {json} = await ask('GET', '/ilod/v1/transaction/diff');
	const end = (verb, title, ok, done) => confirmed(title, tx.writes.length + ' staged writes, begun ' + since(tx.begun) + ' ago.', ok, () => ask('POST', '/ilod/v1/transaction/' + verb), done);
	return {age: 'begun ' + since(tx.begun) + ' ago', nodes: [
		el('p', null, 'State: ' + tx.state),
		table(['Property', 'Now', 'After the commit'], json.changes.map(c => change(c.path + ' ' + c.property, c.from, c.to))),
		el('div', {className: 'actions'}, act('Commit', 'Commit', () => end('commit', 'Commit these changes?', 'Commit', 'The changes are committed.'), true),
			act('Roll back', 'Roll back', () => end('rollback', 'Throw these changes away?', 'Roll back', 'The changes are thrown away.')))]};
}

// pending compares the BIOS settings with those that the next reset brings.
async function pending() {
	const systems = (await ask('GET', '/redfish/v1/Systems/')).json.Members || [];
	const nodes = [];
	let oldest = 0;
	for (const link of systems) {
		const system = (await ask('GET', link['@odata.id'])).json;
		const path = system.Bios && system.Bios['@odata.id'];
		if (!path) continue;
		const now = await ask('GET', path);
		const settings = find(now.json['@Redfish.Settings'], 'SettingsObject');
		if (!settings) continue;
		const next = await ask('GET', settings['@odata.id']);
		oldest = Math.max(oldest, now.age, next.age);
		const a = now.json.Attributes || {}, b = next.json.Attributes || {};
		const names = Object.keys(b).filter(name => value(a[name]) !== value(b[name])).sort();
		if (!names.length) continue;
		const former = Object.fromEntries(names.filter(name => name in a).map(name => [name, a[name]]));
		nodes.push(table(['Setting', 'Now', 'After the next reset'], names.map(name => change(name, a[name], b[name]))),
			el('div', {className: 'actions'}, act('Stage the present values', 'Stage the present values', async () => {
				// Without a transaction the PATCH would be sent at once.
				try { await ask('POST', '/ilod/v1/transaction'); } catch (error) {
					if (!String(find(error.info, 'code')).endsWith('.TransactionOpen')) throw error;
				}
				await ask('PATCH', settings['@odata.id'], {Attributes: former});
				await show();
				say('Staged. Commit it to take the pending changes back.');
			})));
	}
	if (!nodes.length) nodes.push(el('p', null, 'No BIOS setting waits for a reset.'));
	return {age: oldest > 0 ? 'the oldest value is ' + span(oldest) + ' old' : 'read just now', nodes};
}

async function show() {
	$('actions').hidden = false;
	$('leave').hidden = !handle;
	const parts = [['Health', health], ['Staged changes', staged], ['BIOS changes that wait for a reset', pending], ['Sessions with the agent', ownSessions], ['Sessions on the iLO', iloSessions]];
	const sections = parts.map(() => el('section'));
	$('main').replaceChildren(...sections);
	// One after the other: a page takes no more of the iLO than one person.
	for (let i = 0; i < parts.length; i++) {
		const error = await part(sections[i], ...parts[i]);
		if (error && error.status === 401) {
			if (handle && transport.needsLogin) { showLogin(); fail(error); return; }
			if (!transport.needsLogin) sections[i].append(act('Begin a session', 'Begin a session', async () => { handle = ''; if (await login()) await show(); }, true));
		}
	}
}

$('refresh').addEventListener('click', event => busy(event.currentTarget, async () => { say(''); await show(); }));
$('leave').addEventListener('click', event => busy(event.currentTarget, async () => {
	await ask('DELETE', '/ilod/v1/sessions/current');
	handle = '';
	if (transport.needsLogin) showLogin(); else await show();
	say('Logged out.');
}));
transport.ready().then(() => transport.needsLogin ? showLogin() : show()).catch(fail);
