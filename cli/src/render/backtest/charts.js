// Draws the charts of a backtest with ECharts from the data in the page. Texts become text nodes, never markup.
(() => {
  'use strict';

  const data = JSON.parse(document.getElementById('data').textContent);
  const root = document.documentElement;
  const boxes = [...document.querySelectorAll('[data-policy]')];
  const charts = [];

  const at = (step) => data.start + step * data.step;
  const day = (time) => new Date(time).toISOString().slice(0, 10);
  const clock = (time) => new Date(time).toISOString().slice(11, data.step % 60000 === 0 ? 16 : 19);
  const short = (value) => String(Number(value.toPrecision(3)));
  const percent = (value) => (value > 0 && value < 0.001 ? '< 0.001 %' : short(value) + ' %');
  const isShown = (place) => boxes[place].checked;
  const isNarrow = (chart) => chart.getWidth() < 560;

  // colours are those of the style sheet, as they are now: light, dark or printed
  const palette = () => {
    const styles = getComputedStyle(root);
    return (name) => styles.getPropertyValue('--' + name).trim();
  };

  const element = (name, text, type) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (type) made.className = type;
    return made;
  };

  const tooltip = (colour) => ({
    confine: true,
    transitionDuration: 0,
    backgroundColor: colour('paper'),
    borderColor: colour('rule'),
    textStyle: { color: colour('ink') },
  });

  // place of the last of sorted values that is not after a value; -1: all are
  const lastUntil = (values, value) => {
    let [low, high] = [0, values.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  };
  const valueAt = (line, step) => line.of[lastUntil(line.at, step)];

  // --- load and instances over time ------------------------------------------------------------------------------------

  // what a policy did until a moment: a paragraph
  const told = (span, place, step, colour) => {
    const [policy, course] = [data.policies[place], span.policies[place]];
    const serving = valueAt(course.serving, step);
    if (serving === undefined) return [];
    const line = element('p');
    const key = element('span', '', 'key');
    key.style.setProperty('--key', colour(policy.colour));
    line.append(key, element('b', policy.name), ` ${serving} serving, ${Math.round(valueAt(course.used, step))} % used`);
    const move = course.moves[lastUntil(course.moves.map((move) => move.at), step)];
    if (!move) return [line];
    const why = move.why ? `: ${move.why}` : '';
    return [line, element('p', `${clock(at(move.at))} wanted ${move.before} → ${move.after}${why}`, 'note')];
  };

  const tip = (span, time) => {
    const colour = palette();
    const step = Math.round((time - data.start) / data.step);
    const box = element('div', undefined, 'tip');
    const needed = valueAt(span.load, step);
    box.append(element('b', `${day(time)} ${clock(time)}`));
    if (needed !== undefined) {
      box.append(element('p', `load ${short(needed * data.each)} ${data.unit}: ${short(needed)} instances at ${Math.round(data.target)} %`));
    }
    data.policies.forEach((_, place) => {
      if (isShown(place)) box.append(...told(span, place, step, colour));
    });
    return box;
  };

  const points = (line) => line.at.map((step, place) => [at(step), line.of[place]]);

  const band = (forecast, colour) => {
    const line = { type: 'line', symbol: 'none', silent: true, z: 1, lineStyle: { opacity: 0 } };
    const median = forecast.at.map((step, place) => [at(step), forecast.median[place]]);
    const above = forecast.at.map((step, place) => [at(step), Math.max(0, forecast.upper[place] - forecast.median[place])]);
    return [
      { ...line, id: 'median', data: median, stack: 'forecast', stackStrategy: 'all', lineStyle: { color: colour('band'), width: 1.5 } },
      { ...line, id: 'upper', data: above, stack: 'forecast', stackStrategy: 'all', areaStyle: { color: colour('band'), opacity: 0.35 } },
    ];
  };

  // what of a stretch is in sight: all of it until the reader looks closer
  const inSight = (chart, span) => {
    const [zoomed] = chart.getOption()?.dataZoom ?? [];
    return zoomed ? [zoomed.startValue, zoomed.endValue] : span.between.map(at);
  };

  // as tall as what is in sight, and a round number; of a forecast that is far above all that came and was there, no more than that again
  const tallest = (span, [from, until]) => {
    const most = (line) => {
      const times = line.at.map(at);
      const seen = line.of.slice(Math.max(0, lastUntil(times, from)), lastUntil(times, until) + 1);
      return seen.reduce((a, b) => Math.max(a, b), 1);
    };
    const shown = span.policies.filter((_, place) => isShown(place));
    const wanted = shown.map(({ moves }) => ({ at: moves.map((move) => move.at), of: moves.map((move) => move.after) }));
    const there = Math.max(...[span.load, ...shown.map((policy) => policy.serving), ...wanted].map(most));
    const expected = span.forecast ? most({ at: span.forecast.at, of: span.forecast.upper }) : 0;
    const all = Math.max(there, Math.min(expected, 2 * there));
    const unit = Math.max(1, 10 ** Math.floor(Math.log10(all)) / 2);
    return Math.max(2, Math.ceil((all * 1.02) / unit) * unit);
  };

  // so many triangles that they would hide the lines are small ones
  const sizeOfMarks = (span, [from, until], colour) => {
    const isSeen = (move) => at(move.at) >= from && at(move.at) <= until;
    const shown = span.policies.filter((_, place) => isShown(place));
    const seen = shown.reduce((seen, policy) => seen + policy.moves.filter(isSeen).length, 0);
    if (seen > 300) return { symbolSize: 3, itemStyle: { borderWidth: 0, opacity: 0.6 } };
    return { symbolSize: seen > 100 ? 6 : 9, itemStyle: { borderColor: colour('paper'), borderWidth: 1, opacity: 1 } };
  };

  const course = (span, place, colour, seen) => {
    const [policy, did] = [data.policies[place], span.policies[place]];
    const own = colour(policy.colour);
    const common = { name: `policy-${place}`, color: own, animation: false, z: policy.subject ? 5 : policy.optimum ? 3 : 4 };
    const line = { ...common, type: 'line', symbol: 'none', lineStyle: { width: policy.subject ? 2 : 1.25, type: policy.optimum ? 'dashed' : 'solid' } };
    const mark = (move) => ({ value: [at(move.at), move.after], symbolRotate: move.after > move.before ? 0 : 180 });
    const marks = { ...common, id: `moves-${place}`, type: 'scatter', symbol: 'triangle', ...sizeOfMarks(span, seen, colour) };
    return [
      { ...line, data: points(did.serving), step: 'end' },
      { ...line, data: points(did.used), xAxisIndex: 1, yAxisIndex: 1 },
      { ...marks, data: did.moves.map(mark) },
    ];
  };

  const limits = (colour) => ({
    type: 'line',
    id: 'limits',
    xAxisIndex: 1,
    yAxisIndex: 1,
    data: [],
    markLine: {
      silent: true,
      symbol: 'none',
      animation: false,
      lineStyle: { color: colour('soft'), type: 'dotted' },
      label: { show: false },
      data: [{ yAxis: data.target }, { yAxis: 90 }, { yAxis: 100, lineStyle: { type: 'solid' } }],
    },
    markArea: shade(colour),
  });

  const shade = (colour) => ({
    silent: true,
    animation: false,
    z: -1,
    itemStyle: { color: colour('shade'), opacity: 1 },
    data: data.worst ? [data.worst.hour.map((step) => ({ xAxis: at(step) }))] : [],
  });

  const mostUsed = (span) => {
    const shown = span.policies.filter((_, place) => isShown(place));
    return shown.reduce((most, policy) => policy.used.of.reduce((a, b) => Math.max(a, b), most), 100);
  };

  const handles = (colour) => ({
    type: 'slider',
    xAxisIndex: [0, 1],
    bottom: 12,
    height: 32,
    filterMode: 'none',
    labelFormatter: (time) => day(time).slice(5),
    textStyle: { color: colour('soft') },
    borderColor: colour('rule'),
    fillerColor: colour('policy-0') + '22',
    dataBackground: { lineStyle: { color: colour('load') }, areaStyle: { color: colour('load') } },
  });

  const loupe = (colour) => ({
    right: 8,
    itemSize: 16,
    iconStyle: { borderColor: colour('soft') },
    feature: {
      dataZoom: { yAxisIndex: 'none', filterMode: 'none', title: { zoom: 'look closer', back: 'back' } },
      restore: { title: 'all' },
    },
  });

  const overTime = (span, zoom) => (chart) => {
    const colour = palette();
    const narrow = isNarrow(chart);
    const seen = inSight(chart, span);
    const text = { color: colour('soft'), hideOverlap: true };
    const left = narrow ? 36 : 52;
    const grid = { left, right: narrow ? 8 : 16 };
    const time = {
      type: 'time',
      min: at(span.between[0]),
      max: at(span.between[1]),
      axisLine: { lineStyle: { color: colour('rule') } },
      axisTick: { lineStyle: { color: colour('rule') } },
      splitNumber: narrow ? 3 : 8,
    };
    const value = {
      type: 'value',
      min: 0,
      axisLabel: text,
      splitLine: { lineStyle: { color: colour('rule') } },
      nameTextStyle: { color: colour('soft'), align: 'left', padding: [0, 0, 0, 4 - left] },
    };
    const used = { ...value, gridIndex: 1, name: 'used, %', splitNumber: 2, splitLine: { show: false } };
    const under = zoom ? 92 : 48;
    const pointer = { lineStyle: { color: colour('soft') }, label: { show: false } };
    const load = {
      type: 'line',
      id: 'load',
      data: points(span.load),
      symbol: 'none',
      z: 0,
      lineStyle: { width: 0 },
      areaStyle: { color: colour('load'), opacity: 0.55 },
      markArea: shade(colour),
    };
    return {
      useUTC: true,
      animation: false,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      legend: { show: false, selected: Object.fromEntries(data.policies.map((_, place) => [`policy-${place}`, isShown(place)])) },
      grid: [{ ...grid, top: zoom && !narrow ? 40 : 32, bottom: under + 148 }, { ...grid, height: 96, bottom: under }],
      xAxis: [
        { ...time, gridIndex: 0, axisLabel: { show: false } },
        { ...time, gridIndex: 1, axisLabel: { ...text, formatter: { none: '{HH}:{mm}' } } },
      ],
      yAxis: [
        { ...value, gridIndex: 0, name: 'instances', max: tallest(span, seen) },
        { ...used, max: Math.min(200, Math.ceil(mostUsed(span) / 20) * 20) },
      ],
      axisPointer: { link: [{ xAxisIndex: 'all' }], ...pointer },
      tooltip: { ...tooltip(colour), trigger: 'axis', formatter: (all) => tip(span, all[0].axisValue) },
      // a page must scroll where a chart is: only handles and the loupe zoom
      dataZoom: zoom ? [handles(colour)] : [],
      toolbox: zoom && !narrow ? loupe(colour) : undefined,
      series: [
        load,
        ...(span.forecast ? band(span.forecast, colour) : []),
        limits(colour),
        ...data.policies.flatMap((_, place) => course(span, place, colour, seen)),
      ],
    };
  };

  // --- cost against time above 90 % ------------------------------------------------------------------------------------

  // a logarithmic scale has no zero: it stands one decade below the least that is more
  const pareto = (chart) => {
    const colour = palette();
    const overs = data.pareto.map((point) => point.over).filter((over) => over > 0);
    const least = Math.floor(Math.log10(overs.length ? Math.min(...overs) : 0.1));
    const most = Math.ceil(Math.log10(Math.max(...overs, 10 ** (least + 1))));
    const zero = 10 ** (least - 1);
    const height = (over) => (over > 0 ? over : zero);
    const costs = data.pareto.map((point) => point.cost);
    const margin = Math.max(0.02, (Math.max(...costs) - Math.min(...costs)) * 0.1);
    const from = Math.floor((Math.min(...costs) - margin) * 20) / 20;
    const until = Math.ceil((Math.max(...costs) + margin) * 20) / 20;
    const grid = { left: 64, right: 24, top: 60, bottom: 48 };
    const text = { color: colour('soft') };
    const axis = { nameTextStyle: text, axisLine: { lineStyle: { color: colour('rule') } }, splitLine: { lineStyle: { color: colour('rule') } } };
    const best = data.pareto.filter((point) => point.best).sort((a, b) => a.cost - b.cost || b.over - a.over);
    const seen = [chart.getWidth() - grid.left - grid.right, chart.getHeight() - grid.top - grid.bottom];
    const placed = [];
    // above its point, and so far above it that no other name is in the way
    const label = (point) => {
      const half = Math.min(point.name.length * 3.5, chart.getWidth() * 0.2);
      const x = (seen[0] * (point.cost - from)) / (until - from);
      const y = seen[1] * (1 - Math.log10(height(point.over) / zero) / (most - least + 1));
      const middle = Math.min(Math.max(x, half - grid.left + 8), seen[0] + grid.right - half - 8);
      const isClear = (other, up) => Math.abs(other.middle - middle) > other.half + half + 6 || Math.abs(other.y - (y - up)) >= 16;
      const isFree = (up) => placed.every((other) => isClear(other, up));
      const up = [0, 16, 32, 48, 64, 80].find(isFree) ?? 96;
      placed.push({ middle, half, y: y - up });
      return {
        show: true,
        position: 'top',
        offset: [middle - x, -up],
        formatter: () => point.name,
        color: colour('ink'),
        fontWeight: point.subject ? 'bold' : 'normal',
        width: 2 * half + 8,
        overflow: 'truncate',
      };
    };
    const item = (point) => ({
      value: [point.cost, height(point.over)],
      point,
      symbol: point.optimum ? 'diamond' : 'circle',
      symbolSize: point.subject ? 16 : 12,
      itemStyle: { color: colour(point.colour), borderColor: colour('paper'), borderWidth: 1, opacity: 1 },
      label: label(point),
    });
    const dashes = { color: colour('soft'), type: 'dashed', width: 1 };
    const hover = ({ data: { point } }) => {
      const box = element('div', undefined, 'tip');
      const cost = element('p', `cost ${point.cost.toFixed(3)} of the optimum`);
      box.append(element('b', point.name), cost, element('p', `${percent(point.over)} of the time above 90 %`));
      return box;
    };
    return {
      animation: false,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      grid,
      xAxis: {
        ...axis,
        type: 'value',
        name: 'cost, of the optimum',
        nameLocation: 'middle',
        nameGap: 28,
        min: from,
        max: until,
        axisLabel: { ...text, hideOverlap: true, formatter: (cost) => cost.toFixed(2) },
      },
      yAxis: {
        ...axis,
        type: 'log',
        name: 'time above 90 %',
        nameGap: 32,
        nameTextStyle: { ...text, align: 'left', padding: [0, 0, 0, -56] },
        min: zero,
        max: 10 ** most,
        axisLabel: { ...text, formatter: (over) => (over <= zero * 1.001 ? '0' : short(over) + ' %') },
      },
      tooltip: { ...tooltip(colour), trigger: 'item', formatter: hover },
      series: [
        { type: 'line', data: best.map((point) => [point.cost, height(point.over)]), step: 'end', symbol: 'none', silent: true, lineStyle: dashes },
        { type: 'scatter', data: data.pareto.map(item), clip: false, z: 3 },
      ],
    };
  };

  // --- the page --------------------------------------------------------------------------------------------------------

  const draw = (id, option) => {
    const place = document.getElementById(id);
    if (!place) return;
    try {
      const chart = echarts.init(place, null, { renderer: 'svg' });
      chart.on('finished', () => { place.dataset.drawn = 'yes'; });
      chart.setOption(option(chart));
      charts.push({ chart, option });
    } catch (error) {
      place.classList.add('failed');
      place.textContent = `The chart could not be drawn: ${error.message}`;
      throw error;
    }
  };

  // anew, but as far into time as the reader had zoomed
  const redraw = () => {
    for (const { chart, option } of charts) {
      const { dataZoom } = chart.getOption();
      const fresh = option(chart);
      const zoomed = (dataZoom ?? [])[0];
      if (zoomed && fresh.dataZoom?.length) Object.assign(fresh.dataZoom[0], { start: zoomed.start, end: zoomed.end });
      chart.setOption(fresh, { notMerge: true });
    }
  };

  const fit = (size) => {
    charts.forEach(({ chart }) => chart.resize(size ?? { width: 'auto', height: 'auto' }));
    redraw();
  };

  draw('whole', overTime(data.whole, true));
  if (data.worst) draw('worst', overTime(data.worst.span, false));
  draw('pareto', pareto);

  const [{ chart: whole }] = charts;
  whole.on('datazoom', () => {
    const seen = inSight(whole, data.whole);
    const size = sizeOfMarks(data.whole, seen, palette());
    whole.setOption({
      yAxis: [{ max: tallest(data.whole, seen) }],
      series: data.policies.map((_, place) => ({ id: `moves-${place}`, ...size })),
    });
  });

  boxes.forEach((box) => box.addEventListener('change', redraw));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  let width = innerWidth;
  addEventListener('resize', () => {
    if (innerWidth !== width) fit();
    width = innerWidth;
  });
  const folded = () => [...document.querySelectorAll('details:not([open])')];
  let opened = [];
  // paper is as wide as that, and two charts of that height go on a page
  addEventListener('beforeprint', () => {
    root.classList.add('printed');
    opened = folded();
    opened.forEach((details) => { details.open = true; });
    fit({ width: 680, height: 420 });
  });
  addEventListener('afterprint', () => {
    root.classList.remove('printed');
    opened.forEach((details) => { details.open = false; });
    fit();
  });
})();
