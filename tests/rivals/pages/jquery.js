import jQuery from "jquery";

// Its plugins look for it here.
window.jQuery = jQuery;
