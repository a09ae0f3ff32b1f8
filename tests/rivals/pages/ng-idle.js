// Its classes come half compiled, and ask which zone they run in.
import "zone.js";
import "@angular/compiler";
import { NgZone } from "@angular/core";
import { DEFAULT_INTERRUPTSOURCES, Idle, LocalStorage, LocalStorageExpiry } from "@ng-idle/core";

// As Angular's injector would put it together.
const zone = new NgZone({});
const idle = new Idle(new LocalStorageExpiry(new LocalStorage()), zone, null, "browser");
idle.setIdle(840);
idle.setTimeout(60);
idle.setInterrupts(DEFAULT_INTERRUPTSOURCES);
idle.onIdleStart.subscribe(() => window.simulation.mark("warned"));
idle.onTimeout.subscribe(() => window.simulation.mark("locked"));
idle.watch();
