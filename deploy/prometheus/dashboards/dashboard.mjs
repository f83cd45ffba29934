// A dashboard of Grafana: rows of panels, two variables, two annotations.

import { DATASOURCE, NAMESPACE, defined } from "./panels.mjs";

/** Grafana 11 and 12 read it. */
const SCHEMA_VERSION = 40;
const COLUMNS = 24;

export const row = (title, ...panels) => ({ title, panels });

/** Rows from the top, panels from the left. */
function layOut(rows) {
    const placed = [];
    let y = 0;
    const add = (panel, gridPos) => placed.push({ id: placed.length + 1, ...panel, gridPos });
    for (const { title, panels } of rows) {
        add({ type: "row", title, collapsed: false, panels: [] }, { x: 0, y: y++, w: COLUMNS, h: 1 });
        let x = 0;
        let height = 0;
        for (const panel of panels) {
            const { w, h } = panel.gridPos;
            if (x + w > COLUMNS) [x, y, height] = [0, y + height, 0];
            add(panel, { x, y, w, h });
            x += w;
            height = Math.max(height, h);
        }
        y += height;
    }
    return placed;
}

/** A variable whose values are those of a label. `allValue` is what "All" stands for: else each value that there is. */
function labelVariable(name, description, series, allValue) {
    const query = `label_values(${series}, ${name})`;
    return {
        type: "query",
        name,
        label: name[0].toUpperCase() + name.slice(1),
        description,
        datasource: DATASOURCE,
        definition: query,
        // 1: the values of a label.
        query: { qryType: 1, query, refId: "PrometheusVariableQueryEditor-VariableQuery" },
        refresh: 2,
        sort: 1,
        multi: true,
        includeAll: true,
        current: { text: ["All"], value: ["$__all"] },
        ...defined({ allValue }),
    };
}

const annotation = (name, color, expr, titleFormat) => ({
    name,
    iconColor: color,
    enable: true,
    datasource: DATASOURCE,
    target: { refId: "Anno", expr, interval: "15s" },
    titleFormat,
});

/** The other dashboards of the system. */
const OTHERS = {
    type: "dashboards",
    title: "TicketEngine",
    tooltip: "",
    icon: "external link",
    tags: ["ticketengine"],
    asDropdown: true,
    includeVars: true,
    keepTime: true,
    targetBlank: false,
};

/** `program`: whose instances can be chosen. */
export function dashboard({ uid, title, description, program, rows, refresh = "30s", from = "now-1h" }) {
    const rebuilt = "ticketengine_rebuilds_total";
    return {
        uid,
        title,
        description,
        tags: ["ticketengine"],
        schemaVersion: SCHEMA_VERSION,
        editable: true,
        graphTooltip: 1,
        refresh,
        time: { from, to: "now" },
        timezone: "",
        links: [OTHERS],
        templating: {
            list: [
                { type: "datasource", name: "datasource", label: "Prometheus", query: "prometheus" },
                labelVariable("namespace", "Where TicketEngine runs", "ticketengine_build_info", ".*"),
                ...(program
                    ? [labelVariable("instance", `Replicas of ${program}`, `ticketengine_build_info{program="${program}", ${NAMESPACE}}`)]
                    : []),
            ],
        },
        annotations: {
            list: [
                annotation(
                    "Rebuilds",
                    "purple",
                    `sum by (lossless) ((${rebuilt}{${NAMESPACE}} unless ${rebuilt} offset 1m) or increase(${rebuilt}{${NAMESPACE}}[1m])) > 0`,
                    "gates were rebuilt, lossless: {{lossless}}",
                ),
                annotation(
                    "Alerts",
                    "red",
                    `ALERTS{alertname=~"TicketEngine.+", alertstate="firing", ${NAMESPACE}}`,
                    "{{alertname}}",
                ),
            ],
        },
        panels: layOut(rows),
    };
}
