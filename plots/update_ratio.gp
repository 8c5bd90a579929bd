# update_ratio.gp - how far a step moves each group's weights, by epoch; a panel a cell, a line a group.
array COLOUR[8] = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#202020', '#999999']
array SIGN[8] = [7, 9, 5, 11, 13, 15, 6, 8]
do for [FORMAT in FORMATS] {
    if (FORMAT eq "svg") { SCALE = 4/3.0; set terminal svg size WIDTH,HEIGHT font FONT.",12" noenhanced background rgb "white" }
    if (FORMAT eq "png") { SCALE = 1; set terminal pngcairo size 2*WIDTH,2*HEIGHT font FONT.",9" fontscale 2 linewidth 2 pointscale 2 noenhanced background rgb "white" }
    if (FORMAT eq "pdf") { SCALE = 1; set terminal pdfcairo size WIDTH/96.0,HEIGHT/96.0 font FONT.",9" fontscale 1 noenhanced background rgb "white" }
    set output OUT.".".FORMAT
    set multiplot
    LEFT = 92; RIGHT = 16; TOP = 68; PLOT_H = 180; STEP = 276
    set label 1 TITLE at screen 0.5, screen PY(16) center font F(11) textcolor rgb INK
    set label 2 SUBTITLE at screen 0.5, screen PY(33) center font F(8.5) textcolor rgb SOFT
    set lmargin at screen PX(LEFT); set rmargin at screen PX(WIDTH - RIGHT)
    unset key
    set logscale y
    set format y '1e%T'
    set xrange [0.5:EPOCHS+0.5]; set yrange [Y_LOW:Y_HIGH]
    if (EPOCHS <= 12) { set xtics 1 } else { set xtics autofreq }
    do for [p=1:N_PANELS] {
        y0 = TOP + (p - 1) * STEP
        set tmargin at screen PY(y0); set bmargin at screen PY(y0 + PLOT_H)
        set xlabel 'epoch' offset 0,0.4
        set ylabel 'update / weights'
        set label 3 PANEL[p] at screen PX(LEFT), screen PY(y0 - 10) left font F(9) textcolor rgb INK
        x = LEFT; yk = y0 + PLOT_H + 52
        do for [k=1:N_LINES] {
            w = 34 + 7 * strlen(LABELS[(p - 1) * N_LINES + k])
            if (x > LEFT && x + w > WIDTH) { x = LEFT; yk = yk + 17 }
            set label 100+k ' ' at screen PX(x), screen PY(yk) point pt SIGN[k] ps 0.9 lc rgb COLOUR[k]
            set label 120+k LABELS[(p - 1) * N_LINES + k] at screen PX(x + 12), screen PY(yk) left font F(8.5) textcolor rgb INK
            x = x + w
        }
        plot for [k=1:N_LINES] DATA using (column('panel') == p && column('line') == k && column('update_ratio') > 0 ? column('epoch') : NaN):'update_ratio' with linespoints dt k pt SIGN[k] ps 0.6 lw 1.8 lc rgb COLOUR[k]
        unset label
    }
    unset multiplot
    set output
    unset logscale y
}
