import { LineChart } from 'echarts/charts'
import { GridComponent, LegendComponent, MarkLineComponent, TitleComponent } from 'echarts/components'
import * as echarts from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import type { Line } from './lines.js'
import type { Summary } from './measure-line.js'

echarts.use([LineChart, GridComponent, LegendComponent, MarkLineComponent, TitleComponent, SVGRenderer])

const COLUMNS = 2
const WIDTH = 1_150
const PANEL = 300
const LEGEND = 50
const COLORS = ['#2563eb', '#059669', '#111827']

/** The time per operation of everyone, a panel a line, as SVG. */
export function renderGrowth(lines: readonly Line[], summaries: readonly Summary[]): string {
  const contestants = [...new Set(summaries.map(({ contestant }) => contestant))]
  const columns = Math.min(COLUMNS, lines.length)
  const width = WIDTH / columns
  const height = LEGEND + Math.ceil(lines.length / columns) * PANEL
  const places = lines.map((_, index) => ({ left: (index % columns) * width, top: LEGEND + Math.floor(index / columns) * PANEL }))
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    color: COLORS,
    legend: { data: contestants, top: 14, itemGap: 30, textStyle: { fontSize: 13 } },
    title: lines.map(({ name, fixed }, index) => ({
      text: name,
      subtext: `ms per operation, ${fixed}`,
      left: places[index]!.left + 55,
      top: places[index]!.top,
      itemGap: 4,
      textStyle: { fontSize: 14 },
    })),
    grid: places.map(({ left, top }) => ({ left: left + 60, top: top + 50, width: width - 110, height: PANEL - 115 })),
    xAxis: lines.map((line, gridIndex) => {
      const xs = line.points.map(({ x }) => placeOf(line, x))
      return {
        type: 'log',
        // Of the powers of ten and of two the labels are whole numbers.
        logBase: isDoubling(line) ? 2 : 10,
        gridIndex,
        min: Math.min(...xs),
        max: Math.max(...xs),
        name: line.axis,
        nameLocation: 'middle',
        nameGap: 28,
        axisLabel: { formatter: (x: number) => (x < placeOf(line, 0) * 2 ? '0' : x.toLocaleString('en')) },
        splitLine: { show: false },
      }
    }),
    yAxis: lines.map((_, gridIndex) => ({ type: 'value', gridIndex, min: 0 })),
    series: lines.flatMap((line, index) =>
      contestants.map((contestant, order) => ({
        name: contestant,
        type: 'line',
        xAxisIndex: index,
        yAxisIndex: index,
        symbolSize: 6,
        data: summaries
          .filter((one) => one.line === line.name && one.contestant === contestant)
          .map(({ x, perOperation }) => [placeOf(line, x), Number(perOperation.toFixed(4))]),
        ...(order === 0 && { markLine: markFrom(line) }),
      })),
    ),
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

/** From here on the line is to be flat. */
const markFrom = (line: Line) => ({
  silent: true,
  z: 1,
  symbol: 'none',
  label: { show: false },
  lineStyle: { color: '#9ca3af', type: 'dashed' },
  data: [{ xAxis: placeOf(line, line.from) }],
})

const isDoubling = ({ points }: Line) => Math.max(...points.map(({ x }) => x)) <= 64

/** A logarithmic axis has no 0: it stands a decade before the first of the others. */
const placeOf = ({ points }: Line, x: number) => {
  const smallest = Math.min(...points.filter((point) => point.x > 0).map((point) => point.x))
  return x > 0 ? x : points.some((point) => point.x === 0) ? smallest / 10 : 0
}
