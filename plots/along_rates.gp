# along_rates.gp - the gap along one learning rate with the other held at the optimizer's best cell; a panel a rate.
of(k) = (column('panel') == p && strcol('optimizer') eq OPTIMIZERS[k])
do for [FORMAT in FORMATS] {
    if (FORMAT eq "svg") { SCALE = 4/3.0; set terminal svg size WIDTH,HEIGHT font FONT.",12" noenhanced background rgb "white" }
    if (FORMAT eq "png") { SCALE = 1; set terminal pngcairo size 2*WIDTH,2*HEIGHT font FONT.",9" fontscale 2 linewidth 2 pointscale 2 noenhanced background rgb "white" }
    if (FORMAT eq "pdf") { SCALE = 1; set terminal pdfcairo size WIDTH/96.0,HEIGHT/96.0 font FONT.",9" fontscale 1 noenhanced background rgb "white" }
    set output OUT.".".FORMAT
    set multiplot
    LEFT = 70; RIGHT = 16; TOP = 52; PLOT_H = 250
    set label 1 TITLE at screen 0.5, screen PY(16) center font F(11) textcolor rgb INK
    set label 2 SUBTITLE at screen 0.5, screen PY(33) center font F(8.5) textcolor rgb SOFT
    set lmargin at screen PX(LEFT); set rmargin at screen PX(WIDTH - RIGHT)
    unset key
    do for [p=1:N_PANELS] {
        y0 = TOP + (p - 1) * PANEL_STEP
        set tmargin at screen PY(y0); set bmargin at screen PY(y0 + PLOT_H)
        set xrange [X_LOW[p]:X_HIGH[p]]; set yrange [Y_LOW:Y_HIGH]
        set xtics nomirror ()
        do for [i=1:N_TIC] { if (TIC_PANEL[i] == p) { set xtics add (TIC[i] TIC_AT[i]) } }
        set xlabel X_LABEL[p] offset 0,0.4
        set ylabel 'clean gap: train − validation (points)'
        set arrow 1 from X_LOW[p],0 to X_HIGH[p],0 nohead lc rgb SOFT lw 1 back
        do for [k=1:N_LINES] {
            yk = y0 + PLOT_H + 58 + 18 * (k - 1)
            set label 100+k ' ' at screen PX(LEFT + 8), screen PY(yk) point pt SOLID[k] ps 1 lc rgb MARK[k]
            set label 120+k LABELS[(p - 1) * N_LINES + k] at screen PX(LEFT + 20), screen PY(yk) left font F(8.5) textcolor rgb INK
        }
        plot for [k=1:N_OPTIMIZERS] DATA using (of(k) ? column('x') : NaN):'gap':'lo':'hi' with yerrorbars pt 0 lw 1.2 lc rgb MARK[k], \
             for [k=1:N_OPTIMIZERS] DATA using (of(k) ? column('x') : NaN):'gap' with linespoints dt k pt SOLID[k] ps 1 lw 1.8 lc rgb MARK[k], \
             DATA using (column('panel') == p && column('best') == 1 ? column('x') : NaN):'gap' with points pt 6 ps 2.2 lw 1.6 lc rgb INK
        unset label; unset arrow
    }
    unset multiplot
    set output
    set xtics autofreq
}
