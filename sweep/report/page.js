/*
 * page.js - what report.html does beyond being there; built into the program, and the page is whole without it.
 *
 * Sorts a table by the column of the pressed button (numbers by data-v) and filters its rows by words that must all
 * occur and by comparisons such as gap<2 (the start of a heading's letters). Where the sweep has not ended, a box makes
 * the page load itself again every minute. The address keeps it all: #sort=COLUMN&down=1&filter=WORDS&live=1 (sort2=... of a second table).
 */
(function () {
	var state = {};
	location.hash.slice(1).split('&').forEach(function (part) {
		var pair = part.split('=');
		try {
			state[pair[0]] = decodeURIComponent(pair.slice(1).join('='));
		} catch (e) { /* not one of ours */ }
	});
	function keep() {
		var parts = Object.keys(state).filter(function (k) {
			return /^(sort|down|filter|live)\d*$/.test(k) && state[k] !== '';
		});
		history.replaceState(null, '', '#' + parts.map(function (k) {
			return k + '=' + encodeURIComponent(state[k]);
		}).join('&'));
	}

	var told = document.querySelector('.unfinished');
	if (told) {
		var box = document.createElement('input');
		var label = document.createElement('label');
		box.type = 'checkbox';
		box.checked = !!state.live;
		label.append(box, ' load again every minute');
		told.append(' ', label);
		box.addEventListener('change', function () {
			state.live = box.checked ? '1' : '';
			keep();
		});
		setInterval(function () {
			if (box.checked)
				location.reload();
		}, 60000);
	}

	/* One table; its part of the state ends in `no` (the first table's in nothing). */
	function live(table, no) {
		var body = table.tBodies[0];
		var rows = Array.from(body.rows);
		var heads = Array.from(table.querySelectorAll('thead th'));

		/* A number (NaN for an empty cell), or the text. */
		function value(row, i) {
			var cell = row.cells[i];
			if (cell.dataset.v === undefined)
				return cell.textContent;
			return cell.dataset.v === '' ? NaN : +cell.dataset.v;
		}
		function sort(i, up) {
			heads.forEach(function (h) { h.removeAttribute('aria-sort'); });
			heads[i].setAttribute('aria-sort', up ? 'ascending' : 'descending');
			state['sort' + no] = i;
			state['down' + no] = up ? '' : '1';
			rows.sort(function (a, b) {
				var x = value(a, i), y = value(b, i);
				if (typeof x !== 'number')
					return up ? x.localeCompare(y) : y.localeCompare(x);
				if (isNaN(x) || isNaN(y)) /* what is unknown comes last */
					return isNaN(x) - isNaN(y);
				return up ? x - y : y - x;
			});
			rows.forEach(function (row) { body.appendChild(row); });
		}

		function bare(text) { return text.toLowerCase().replace(/[^a-z0-9]/g, ''); }
		var names = heads.map(function (h) { return bare(h.textContent); });
		var compare = {
			'<': function (a, b) { return a < b; }, '>': function (a, b) { return a > b; },
			'<=': function (a, b) { return a <= b; }, '>=': function (a, b) { return a >= b; },
			'=': function (a, b) { return a === b; }
		};
		function holds(row, word) {
			var m = word.match(/^(.+?)(<=|>=|<|>|=)(.+)$/);
			var i = m ? names.findIndex(function (n) { return n.indexOf(bare(m[1])) === 0; }) : -1;
			if (i < 0)
				return row.textContent.toLowerCase().indexOf(word) >= 0;
			var v = value(row, i);
			if (typeof v !== 'number')
				return m[2] === '=' && v.trim().toLowerCase() === m[3];
			return compare[m[2]](v, +m[3]);
		}
		var line = document.createElement('p');
		var label = document.createElement('label');
		var input = document.createElement('input');
		var count = document.createElement('span');
		function filter() {
			var words = input.value.toLowerCase().split(/\s+/);
			var n = 0;
			rows.forEach(function (row) {
				row.hidden = !words.every(function (w) { return holds(row, w); });
				n += !row.hidden;
			});
			count.textContent = n + ' of ' + rows.length;
			state['filter' + no] = input.value;
		}
		line.className = 'filter';
		input.type = 'search';
		label.append('Filter ', input);
		count.setAttribute('role', 'status');
		line.append(label, ' ', count);
		table.parentNode.before(line);

		heads.forEach(function (h, i) {
			var button = h.querySelector('button');
			if (button)
				button.addEventListener('click', function () {
					sort(i, h.getAttribute('aria-sort') !== 'ascending');
					keep();
				});
		});
		input.addEventListener('input', function () {
			filter();
			keep();
		});
		if (state['sort' + no] !== undefined && heads[+state['sort' + no]])
			sort(+state['sort' + no], !state['down' + no]);
		if (state['filter' + no])
			input.value = state['filter' + no];
		filter();
	}
	document.querySelectorAll('table.sort').forEach(function (table, i) {
		live(table, i ? String(i + 1) : '');
	});
})();
