# points.gp - a mark a cell: the Pareto front of validation accuracy and gap; the gap against the drift.
of(k) = (strcol('optimizer') eq OPTIMIZERS[k])
do for [FORMAT in FORMATS] {
    if (FORMAT eq "svg") { SCALE = 4/3.0; set terminal svg size WIDTH,HEIGHT font FONT.",12" noenhanced background rgb "white" }
    if (FORMAT eq "png") { SCALE = 1; set terminal pngcairo size 2*WIDTH,2*HEIGHT font FONT.",9" fontscale 2 linewidth 2 pointscale 2 noenhanced background rgb "white" }
    if (FORMAT eq "pdf") { SCALE = 1; set terminal pdfcairo size WIDTH/96.0,HEIGHT/96.0 font FONT.",9" fontscale 1 noenhanced background rgb "white" }
    set output OUT.".".FORMAT
    set label 1 TITLE at screen 0.5, screen PY(16) center font F(11) textcolor rgb INK
    set label 2 SUBTITLE at screen 0.5, screen PY(33) center font F(8.5) textcolor rgb SOFT
    set lmargin at screen PX(70); set rmargin at screen PX(WIDTH - 30)
    set tmargin at screen PY(52); set bmargin at screen PY(422)
    set xrange [X_LOW:X_HIGH]; set yrange [Y_LOW:Y_HIGH]
    if (N_TIC > 0) { set xtics nomirror () ; do for [i=1:N_TIC] { set xtics add (TIC[i] TIC_AT[i]) } }
    set xlabel X_LABEL offset 0,0.4
    # 0 has no place on a logarithmic axis: it stands apart, behind a break.
    if (ZERO == ZERO) { BREAK = ZERO + 0.4 * (X_HIGH - X_LOW) * 0.12; set arrow 90 from BREAK,Y_LOW to BREAK,Y_HIGH nohead back lc rgb SOFT lw 1 dt (2,4) }
    set ylabel Y_LABEL
    set key off
    KEY_Y = 480
    do for [i=2:N_FRONT_X] { set arrow 100+i from FRONT_X[i-1],FRONT_Y[i-1] to FRONT_X[i],FRONT_Y[i] nohead back lc rgb '#808080' lw 1.6 }
    x = 70
    do for [k=1:N_OPTIMIZERS] {
        set label 200+k ' ' at screen PX(x), screen PY(KEY_Y) point pt HOLLOW[k] ps 1 lw 1.6 lc rgb MARK[k]
        set label 220+k OPTIMIZERS[k] at screen PX(x + 12), screen PY(KEY_Y) left font F(8.5) textcolor rgb INK
        x = x + 34 + 6.6 * strlen(OPTIMIZERS[k])
    }
    if (FILLED ne '') {
        set label 240 ' ' at screen PX(x), screen PY(KEY_Y) point pt 7 ps 1.2 lc rgb SOFT
        set label 241 FILLED at screen PX(x + 12), screen PY(KEY_Y) left font F(8.5) textcolor rgb INK
    }
    do for [i=1:N_LIST] { set label 400+i LIST[i] at screen PX(64), screen PY(KEY_Y + 4 + 17 * i) left font F(8.5) textcolor rgb INK }
    do for [i=1:N_NUMBER] { set label 500+i NUMBER[i] at NUMBER_X[i],NUMBER_Y[i] right offset -0.8,0.5 font F(8) textcolor rgb SOFT front }
    do for [i=1:N_NOTE] { set label 300+i NOTE[i] at NOTE_X[i],NOTE_Y[i] center offset 0,NOTE_UP[i] font F(9) textcolor rgb INK front }
    plot \
         for [k=1:N_OPTIMIZERS] DATA using (of(k) && column('feasible')==0 ? column('x') : NaN):'y' with points pt HOLLOW[k] ps 1 lw 1.6 lc rgb MARK[k], \
         for [k=1:N_OPTIMIZERS] DATA using (of(k) && column('feasible')==1 ? column('x') : NaN):'y' with points pt SOLID[k] ps 1.2 lw 1.6 lc rgb MARK[k], \
         DATA using (column('mark') == 1 ? column('x') : NaN):'y' with points pt 6 ps 2.4 lw 1.6 lc rgb INK
    unset label; unset object; unset arrow
    set output
}
