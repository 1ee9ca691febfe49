import { BarChart } from 'echarts/charts'
import { GridComponent, TitleComponent } from 'echarts/components'
import * as echarts from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import type { Summary } from './report.js'

echarts.use([BarChart, GridComponent, TitleComponent, SVGRenderer])

const WIDTH = 1_150
const NAMES = 290
const ROW = 24
const COLORS = { workaround: '#b9bec8', rowlock: '#2563eb', limit: '#111827' } as Partial<Record<Summary['kind'], string>>

/** Operations a second of everyone, a panel a load, as SVG. */
export function renderChart(summaries: readonly Summary[]): string {
  const loads = [...new Set(summaries.map(({ load }) => load))]
  const panels = loads.map((load) => [load, summaries.filter((one) => one.load === load)] as const)
  const width = (WIDTH - NAMES) / panels.length
  const height = Math.max(...panels.map(([, all]) => all.length)) * ROW
  const most = 10 ** Math.ceil(Math.log10(Math.max(...summaries.map(({ rate }) => rate))))
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: height + 60 })
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: [
      { text: 'logarithmic, from 10', left: 10, top: 12, textStyle: { fontSize: 12, fontWeight: 'normal', color: '#6b7280' } },
      ...panels.map(([load], index) => ({ text: `${load}, ops/s`, left: NAMES + index * width, top: 10, textStyle: { fontSize: 14 } })),
    ],
    grid: panels.map((_, index) => ({ left: NAMES + index * width, top: 40, width: width - 70, height })),
    // Of a hundred to a hundred thousand: a linear axis would show two of them. The same in all panels, so that their bars compare.
    xAxis: panels.map((_, gridIndex) => ({
      type: 'log',
      gridIndex,
      min: 10,
      max: most,
      axisLabel: { show: false },
      splitLine: { show: false },
    })),
    yAxis: panels.map(([, all], gridIndex) => ({
      type: 'category',
      gridIndex,
      inverse: true,
      data: all.map(({ contestant }) => contestant),
      axisLabel: { show: gridIndex === 0 },
      axisTick: { show: false },
    })),
    series: panels.map(([, all], index) => ({
      type: 'bar',
      xAxisIndex: index,
      yAxisIndex: index,
      label: { show: true, position: 'right', formatter: ({ value }: { value: unknown }) => Number(value).toLocaleString('en') },
      data: all.map(({ rate, kind }) => ({ value: Math.round(rate), itemStyle: { color: COLORS[kind] ?? '#8aa0c8' } })),
    })),
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}
