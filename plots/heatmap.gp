# heatmap.gp - one figure a cell over the two learning rates, a panel an optimizer.
# (Labels are never left out by a NaN position: gnuplot 5.4 crashes if that leaves none.)
# Rectangles, not `with image`: gnuplot places images on uneven axes wrongly without a word.
is(k) = (column('panel') == p && strcol('kind') eq k)
flag(c) = (column('panel') == p && column(c) == 1)
mid(c) = (column(c.'0') + column(c.'1')) / 2
do for [FORMAT in FORMATS] {
    if (FORMAT eq "svg") { SCALE = 4/3.0; set terminal svg size WIDTH,HEIGHT font FONT.",12" noenhanced background rgb "white" }
    if (FORMAT eq "png") { SCALE = 1; set terminal pngcairo size 2*WIDTH,2*HEIGHT font FONT.",9" fontscale 2 linewidth 2 pointscale 2 noenhanced background rgb "white" }
    if (FORMAT eq "pdf") { SCALE = 1; set terminal pdfcairo size WIDTH/96.0,HEIGHT/96.0 font FONT.",9" fontscale 1 noenhanced background rgb "white" }
    set output OUT.".".FORMAT
    set multiplot
    LEFT = 84; RIGHT = 96; TOP = 50; STEP = PANEL_H + 78
    unset key
    set style fill solid 1 noborder
    set border 0 lc rgb SOFT
    unset grid
    set tics out scale 0.5
    set label 1 TITLE at screen 0.5, screen PY(16) center font F(11) textcolor rgb INK
    set label 2 SUBTITLE at screen 0.5, screen PY(33) center font F(8.5) textcolor rgb SOFT
    set cbrange [CB_LOW:CB_HIGH]
    set label 5 CB_LABEL at screen PX(WIDTH - 12), screen PY(TOP + 14 + ((N_PANELS - 1) * STEP + PANEL_H)/2) center rotate by 90 textcolor rgb INK
    do for [p=1:N_PANELS] {
        panel_top = TOP + (p - 1) * STEP + 14
        set lmargin at screen PX(LEFT)
        set rmargin at screen PX(WIDTH - RIGHT)
        set tmargin at screen PY(panel_top)
        set bmargin at screen PY(panel_top + PANEL_H)
        set xrange [X_LOW[p]:X_HIGH[p]]
        set yrange [Y_LOW[p]:Y_HIGH[p]]
        set xtics nomirror () ; set ytics nomirror ()
        do for [i=1:N_X_TIC] { if (X_TIC_PANEL[i] == p) { set xtics add (X_TIC[i] X_TIC_AT[i]) } }
        do for [i=1:N_Y_TIC] { if (Y_TIC_PANEL[i] == p) { set ytics add (Y_TIC[i] Y_TIC_AT[i]) } }
        set xlabel X_LABEL offset 0,0.4
        set label 4 Y_LABEL at screen PX(14), screen PY(panel_top + PANEL_H/2) center rotate by 90 textcolor rgb INK
        set label 3 PANEL[p] at screen PX(LEFT), screen PY(panel_top - 9) left font F(10) textcolor rgb INK
        if (p == 1) { set colorbox vertical user origin screen PX(WIDTH - RIGHT + 16), screen PY(TOP + 14 + (N_PANELS - 1) * STEP + PANEL_H) size screen PX(14), screen ((N_PANELS - 1) * STEP + PANEL_H) / real(HEIGHT) } else { unset colorbox }
        dx = (X_HIGH[p] - X_LOW[p]) / real(WIDTH - LEFT - RIGHT)
        dy = (Y_HIGH[p] - Y_LOW[p]) / real(PANEL_H)
        plot DATA using (is('absent') ? column('x') : NaN):'y':'x0':'x1':'y0':'y1' with boxxyerror fs solid 1 border rgb 'white' lc rgb '#eeeeee', \
             DATA using (is('open') || is('failed') || is('pruned') ? column('x') : NaN):'y':'x0':'x1':'y0':'y1' with boxxyerror fs solid 1 border rgb 'white' lc rgb '#c4c4c4', \
             DATA using (is('diverged') ? column('x') : NaN):'y':'x0':'x1':'y0':'y1' with boxxyerror fs pattern 4 border rgb SOFT lc rgb SOFT, \
             DATA using (is('value') ? column('x') : NaN):'y':'x0':'x1':'y0':'y1':'value' with boxxyerror fs solid 1 border rgb 'white' lc palette, \
             DATA using (flag('feasible') ? column('x') : NaN):'y':(column('x0')+FRAME*dx):(column('x1')-FRAME*dx):(column('y0')+FRAME*dy):(column('y1')-FRAME*dy) with boxxyerror fs empty lc rgb 'black' lw 1.7*FRAME, \
             DATA using (FRAME > 1 && flag('feasible') ? column('x') : NaN):'y':(column('x0')+2*FRAME*dx):(column('x1')-2*FRAME*dx):(column('y0')+2*FRAME*dy):(column('y1')-2*FRAME*dy) with boxxyerror fs empty lc rgb 'white' lw 0.8*FRAME, \
             DATA using (mid('x')):(mid('y') + (strlen(strcol('below')) > 1 ? 7*dy : 0)):(column('panel') == p ? strcol('text') : ' '):'text_rgb' with labels center font F(CELL_FONT) textcolor rgb variable, \
             DATA using (mid('x')):(mid('y') - 9*dy):(column('panel') == p ? strcol('below') : ' '):'text_rgb' with labels center font F(BELOW_FONT) textcolor rgb variable
        unset label 1; unset label 2; unset label 5
    }
    unset label 3; unset label 4
    # The legend: only what occurs. Each entry is a sign and its words.
    set lmargin at screen 0; set rmargin at screen 1; set bmargin at screen 0; set tmargin at screen 1
    set xrange [0:WIDTH]; set yrange [HEIGHT:0]
    unset xlabel; unset ylabel; unset xtics; unset ytics; unset colorbox
    unset object; unset label
    x = 20; y = TOP + N_PANELS * STEP + 6
    do for [i=1:N_KEY_TEXT] {
        w = 34 + 6.4 * strlen(KEY_TEXT[i])
        if (x > 20 && x + w > WIDTH) { x = 20; y = y + 20 }
        if (KEY_SIGN[i] eq 'feasible') { set object rectangle from x,y-7 to x+22,y+7 fs empty border rgb 'black' lw 3.4 }
        if (KEY_SIGN[i] eq 'absent') { set object rectangle from x,y-7 to x+22,y+7 fs solid 1 noborder fc rgb '#eeeeee' }
        if (strstrt('open failed pruned', KEY_SIGN[i])) { set object rectangle from x,y-7 to x+22,y+7 fs solid 1 noborder fc rgb '#c4c4c4' }
        if (KEY_SIGN[i] eq 'diverged') { set object rectangle from x,y-7 to x+22,y+7 fs pattern 4 border rgb SOFT fc rgb SOFT }
        set label KEY_MARK[i] at x+11,y center font F(10) textcolor rgb INK
        set label KEY_TEXT[i] at x+28,y left font F(8.5) textcolor rgb INK
        x = x + w
    }
    plot NaN notitle
    unset multiplot
    unset object; unset label
    set output
}
