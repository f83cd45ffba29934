// Panels of Grafana from a few words each. A query is [legend, expression].

export const DATASOURCE = { type: "prometheus", uid: "${datasource}" };

export const RATE = "[$__rate_interval]";
export const NAMESPACE = 'namespace=~"$namespace"';
export const INSTANCE = `${NAMESPACE}, instance=~"$instance"`;

/** A rate that is 0 where the counter has not appeared yet. */
export const sumRate = (metric, labels) => `sum(rate(${metric}{${labels}}${RATE})) or vector(0)`;
export const rateBy = (label, metric, labels) => `sum by (${label}) (rate(${metric}{${labels}}${RATE}))`;
export const quantileBy = (quantile, label, metric, labels) =>
    `histogram_quantile(${quantile}, ${rateBy(label ? `le, ${label}` : "le", `${metric}_bucket`, labels)})`;
export const quantiles = (metric, labels) =>
    [0.5, 0.95, 0.99].map((quantile) => [`p${quantile * 100}`, quantileBy(quantile, "", metric, labels)]);
/** The name of a call without its service: Reserve. */
export const shortMethod = (expr) => `label_replace(${expr}, "rpc_method", "$1", "rpc_method", ".*/(.*)")`;

/** Colours from a value on: steps([1, "red"]) is green below 1. */
export const steps = (...from) => ({
    mode: "absolute",
    steps: [{ color: "green", value: null }, ...from.map(([value, color]) => ({ color, value }))],
});

function panel(type, title, description, unit, queries, { width, height, thresholds, min, max, mappings, ...more }) {
    const defaults = { unit, noValue: "-", color: { mode: thresholds ? "thresholds" : "palette-classic" } };
    return {
        type,
        title,
        description,
        datasource: DATASOURCE,
        gridPos: { w: width, h: height },
        fieldConfig: { defaults: { ...defaults, ...defined({ min, max, mappings, thresholds }), ...more.field }, overrides: [] },
        targets: queries.map(([legend, expr], index) => ({
            refId: String.fromCharCode("A".charCodeAt(0) + index),
            datasource: DATASOURCE,
            expr,
            legendFormat: legend,
            ...more.target,
        })),
        options: more.options,
    };
}

export const defined = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

/** Lines over time. `stack` lays them on each other, for parts of a whole. */
export function graph(title, description, unit, queries, { stack = false, width = 8, ...more } = {}) {
    return panel("timeseries", title, description, unit, queries, {
        width,
        height: 8,
        min: 0,
        ...more,
        field: {
            custom: {
                lineWidth: 1,
                fillOpacity: stack ? 40 : 10,
                showPoints: "never",
                stacking: { mode: stack ? "normal" : "none", group: "A" },
                thresholdsStyle: { mode: more.thresholds ? "dashed" : "off" },
            },
            ...(more.thresholds ? { color: { mode: "palette-classic" } } : {}),
        },
        options: {
            legend: { displayMode: "list", placement: "bottom", showLegend: true, calcs: [] },
            tooltip: { mode: "multi", sort: "desc" },
        },
    });
}

/** The last value, large. */
export function stat(title, description, unit, queries, { width = 4, ...more } = {}) {
    return panel("stat", title, description, unit, queries, {
        width,
        height: 4,
        thresholds: steps(),
        ...more,
        options: {
            colorMode: "value",
            graphMode: "area",
            justifyMode: "auto",
            orientation: "auto",
            textMode: "auto",
            reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
        },
    });
}

/** How many took how long. */
export function heatmap(title, description, metric, labels) {
    const increase = `sum by (le) (increase(${metric}_bucket{${labels}}${RATE}))`;
    return panel("heatmap", title, description, "s", [["{{le}}", increase]], {
        width: 12,
        height: 8,
        target: { format: "heatmap" },
        options: {
            calculate: false,
            color: { mode: "scheme", scheme: "Oranges", steps: 64 },
            yAxis: { unit: "s", axisPlacement: "left" },
            cellGap: 1,
            filterValues: { le: 1e-9 },
            tooltip: { mode: "single", showColorScale: false, yHistogram: false },
            legend: { show: true },
        },
    });
}

/** A row for each series, with its labels; `value` names the last column. */
export function table(title, description, value, expr) {
    const made = panel("table", title, description, "none", [["", expr]], {
        width: 8,
        height: 8,
        target: { format: "table", instant: true, range: false },
        options: { showHeader: true, cellHeight: "sm" },
    });
    const columns = { excludeByName: { Time: true }, renameByName: { Value: value } };
    return { ...made, transformations: [{ id: "organize", options: columns }] };
}
