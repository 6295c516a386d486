// The part of uPlot that the page uses, for the type check of templates/js.
declare const uPlot: any;
